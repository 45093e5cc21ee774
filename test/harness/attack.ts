/** Attacks by scripts, each tried at a client that keeps scripts apart and at one that does not. */
import assert from 'node:assert/strict'
import { after, before, suite, test } from 'node:test'
import { AttackScene } from './attack-scene.ts'
import type { Outcome, Target } from './attack-scene.ts'
import { ensureCommand } from './debian.ts'
import { whyNoSandbox } from './sandbox.ts'

export type Attack = {
  /** What it tries. */
  readonly name: string
  /** `harm` on a line of its output says that it was done, where nothing else tells. */
  readonly script: (target: Target) => string
  readonly isDone?: (outcome: Outcome) => boolean | Promise<boolean>
  /** What comes of it without isolation: it succeeds, for root alone, or never: other means stop it. */
  readonly without?: 'succeeds' | 'succeeds for root' | 'fails'
}

const isRoot = process.getuid?.() === 0

const saysHarm = ({ stdout }: Outcome) => stdout.split('\n').includes('harm')

/** Makes a test of each of them. */
export function tryAttacks(what: string, attacks: readonly Attack[]): void {
  void suite(what, () => {
    let scene: AttackScene | undefined
    let missing: string | undefined
    before(async () => {
      missing = (await whyNoSandbox()) ?? (await ensureCommand('perl', 'perl-base'))
      if (missing === undefined) scene = await AttackScene.create()
    })
    after(() => scene?.[Symbol.asyncDispose]())

    for (const { name, script, isDone = saysHarm, without = 'succeeds' } of attacks) {
      test(name, async (t) => {
        if (!scene) return t.skip(missing)
        const apart = await scene.run('apart', script)
        assert.equal(await isDone(apart), false, `it was done:\n${tell(apart)}`)
        // Tried for real: a script that does nothing fails nowhere.
        if (without === 'succeeds for root' && !isRoot) return undefined
        const open = await scene.run('open', script)
        assert.equal(await isDone(open), without !== 'fails', `without isolation:\n${tell(open)}`)
        return undefined
      })
    }
  })
}

function tell({ job, stdout, files }: Outcome): string {
  const errors = files.get('.orchestrator/stderr.log')?.content.toString() ?? ''
  return [`${job.status}: ${job.message}`, stdout, errors].join('\n')
}

/** A line of perl that makes a system call; it is true if that succeeds. */
export function systemCall(x64: number, arm64: number, ...args: readonly string[]): string {
  const number = process.arch === 'arm64' ? arm64 : x64
  return `syscall(${[number, ...args].join(', ')}) != -1`
}
