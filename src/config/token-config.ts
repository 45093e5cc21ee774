/** What can be said to `job-orchestrator token create`, `list` and `revoke`. */
import { parseScopes } from '../domain/access.ts'
import type { Scope } from '../domain/access.ts'
import { isUserId } from '../domain/names.ts'
import { parseTokenName } from '../domain/token.ts'
import { Wrong, parseDurationMs } from '../domain/units.ts'
import { GivenFlags, asCommandFlag } from './command-flags.ts'
import type { CommandFlag, CommandFlags, Environment } from './command-flags.ts'
import { ConfigError } from './config.ts'
import { settings } from './settings.ts'

export type TokenConfig = { readonly dbPath: string } & (
  | {
      readonly verb: 'create'
      readonly name: string
      readonly scopes: readonly Scope[]
      /** `null`: of any service, or user; for ever. */
      readonly service: string | null
      readonly userId: string | null
      readonly expiresInMs: number | null
    }
  | { readonly verb: 'list' }
  /** Its name or id. */
  | { readonly verb: 'revoke'; readonly which: string }
)

const dbPath = asCommandFlag(settings.dbPath)

const limits: readonly CommandFlag[] = [
  { flag: 'service', value: 'NAME', help: 'for this service alone; without it for all' },
  { flag: 'user', value: 'ID', help: "for this user's jobs alone; without it for all users'" },
  { flag: 'expires', value: 'TIME', help: 'such as 90d; without it, it is valid until revoked' },
]

/** All that can be said to `token create`. */
export const createFlags: CommandFlags = {
  command: 'token',
  own: [
    { flag: 'name', value: 'NAME', help: 'what it is called here' },
    { flag: 'scope', value: 'LIST', help: 'what it may do: some of submit,read,terminate' },
  ],
  settings: [...limits, dbPath],
  switches: [],
}

/** Of the others. */
const plainFlags: CommandFlags = { command: 'token', own: [], settings: [dbPath], switches: [] }

/** @throws ConfigError with all that is wrong. */
export function readTokenConfig(
  [verb, ...args]: readonly string[],
  environment: Environment,
): TokenConfig {
  const faults: string[] = []
  const config = read(verb, args, environment, faults)
  if (faults.length > 0 || !config) throw new ConfigError(faults)
  return Object.freeze(config)
}

function read(
  verb: string | undefined,
  args: readonly string[],
  environment: Environment,
  faults: string[],
): TokenConfig | undefined {
  const plain = (rest: readonly string[]) =>
    place(new GivenFlags(plainFlags, rest, environment, faults))
  switch (verb) {
    case 'create': {
      const given = new GivenFlags(createFlags, args, environment, faults)
      return { verb, ...place(given), ...readNew(given, faults) }
    }
    case 'list':
      return { verb, ...plain(args) }
    case 'revoke': {
      const at = args.findIndex(
        (arg, index) => !arg.startsWith('-') && args[index - 1] !== '--db-path',
      )
      const which = args[at]
      if (which === undefined) faults.push('say which: its NAME or ID, as token list tells it')
      return { verb, which: which ?? '', ...plain(args.filter((_, index) => index !== at)) }
    }
    default:
      faults.push(`expected create, list or revoke, got ${JSON.stringify(verb ?? 'nothing')}`)
      return undefined
  }
}

function place(given: GivenFlags): { readonly dbPath: string } {
  return { dbPath: given.setting(settings.dbPath) ?? '' }
}

function readNew(given: GivenFlags, faults: string[]) {
  const value = <T, E>(flag: string, parse: (text: string) => T | Wrong, otherwise: E): T | E => {
    const text = given.text(flag)
    if (text === '') return otherwise
    const parsed = parse(text)
    if (!(parsed instanceof Wrong)) return parsed
    faults.push(`--${flag}: expected ${parsed.expected}, got ${JSON.stringify(text.slice(0, 80))}`)
    return otherwise
  }
  return {
    name: value('name', parseTokenName, ''),
    scopes: value<readonly Scope[], readonly Scope[]>('scope', parseScopes, []),
    service: value('service', parseService, null),
    userId: value('user', parseUser, null),
    expiresInMs: value('expires', parseDurationMs, null),
  }
}

function parseService(text: string): string | Wrong {
  return /^\w{1,128}$/.test(text) ? text.toLowerCase() : new Wrong('the name of a service')
}

function parseUser(text: string): string | Wrong {
  return isUserId(text) ? text : new Wrong('1 to 128 characters out of A-Z a-z 0-9 . _ @ -')
}
