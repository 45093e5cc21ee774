/** How a command that is no mode (`import`, `backup`, `restore`) reads its flags. */
import { parseArgs } from 'node:util'
import type { Setting } from './settings.ts'
import { Wrong } from '../domain/units.ts'

/** A flag that takes a value; with `env`, a setting of the server that means something here too. */
export type CommandFlag = {
  readonly flag: string
  readonly value: string
  readonly help: string
  readonly env?: string
  /** The default, as it would be written. */
  readonly usual?: string | null
}

/** A flag that takes none. */
type CommandSwitch = { readonly flag: string; readonly help: string }

/** All that can be said to a command, in the order of its help text. */
export type CommandFlags = {
  readonly command: string
  /** These have to be given. */
  readonly own: readonly CommandFlag[]
  readonly settings: readonly CommandFlag[]
  readonly switches: readonly CommandSwitch[]
}

export type Environment = Readonly<Record<string, string | undefined>>

/** A setting of the server as a flag of a command. */
export function asCommandFlag({ flag, value, help, env, fallback }: Setting<unknown>): CommandFlag {
  return { flag, value, help, env, usual: fallback.server }
}

/** What was given on the command line, and, where that says nothing, in the environment. */
export class GivenFlags {
  readonly #values = new Map<string, string>()
  readonly #on = new Set<string>()
  readonly #environment: Environment
  readonly #faults: string[]

  /** @param faults gets all that is wrong. */
  constructor(
    flags: CommandFlags,
    args: readonly string[],
    environment: Environment,
    faults: string[],
  ) {
    this.#environment = environment
    this.#faults = faults
    this.#read(flags, args)
    for (const { flag, help } of flags.own) {
      if (!this.#values.has(flag)) faults.push(`--${flag} is missing: ${help}`)
    }
  }

  /** Of a flag that has to be given. */
  text(flag: string): string {
    return this.#values.get(flag) ?? ''
  }

  isOn(flag: string): boolean {
    return this.#on.has(flag)
  }

  /** @returns the value of a setting; `undefined` if it is wrong. */
  setting<T>({ env, flag, fallback, parse }: Setting<T>): T | undefined {
    const fromEnvironment = this.#environment[env] === '' ? undefined : this.#environment[env]
    const given = this.#values.get(flag)
    const text = given ?? fromEnvironment ?? fallback.server ?? ''
    const value = parse(text)
    if (!(value instanceof Wrong)) return value
    const source = given === undefined ? env : `--${flag}`
    this.#faults.push(`${source}: expected ${value.expected}, got "${text}"`)
    return undefined
  }

  #read({ command, own, settings, switches }: CommandFlags, args: readonly string[]): void {
    const faults = this.#faults
    const known = new Set([...own, ...settings].map(({ flag }) => flag))
    const switchNames = new Set(switches.map(({ flag }) => flag))
    const { tokens } = parseArgs({
      args: [...args],
      options: Object.fromEntries([
        ...[...known].map((flag) => [flag, { type: 'string' as const }] as const),
        ...[...switchNames].map((flag) => [flag, { type: 'boolean' as const }] as const),
      ]),
      strict: false,
      allowPositionals: true,
      tokens: true,
    })
    for (const [index, token] of tokens.entries()) {
      if (token.kind === 'option-terminator') continue
      if (token.kind === 'positional') {
        // The value of a flag that is not known is not a second fault.
        const before = tokens[index - 1]
        if (before?.kind === 'option' && before.value === undefined && !known.has(before.name)) {
          if (!switchNames.has(before.name)) continue
        }
        faults.push(`"${token.value}" means nothing here; see job-orchestrator ${command} --help`)
      } else if (switchNames.has(token.name)) {
        if (token.value !== undefined) faults.push(`--${token.name} takes no value`)
        this.#on.add(token.name)
      } else if (!known.has(token.name)) {
        faults.push(`${token.rawName} is not known; see job-orchestrator ${command} --help`)
      } else if (token.value === undefined || token.value === '') {
        faults.push(`--${token.name} needs a value`)
        this.#values.set(token.name, '')
      } else if (this.#values.has(token.name)) faults.push(`--${token.name} is given twice`)
      else this.#values.set(token.name, token.value)
    }
  }
}
