/**
 * One trial: jobs are sent to a server and its client, of which one dies at a crash point, or at
 * several in a row, and is started again; then the oracle looks at what became of it all.
 */
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import type { Directories } from './at-rest.ts'
import type { Bundled } from './bundled.ts'
import { Lab, until, usualIsolation } from './lab.ts'
import { Ledger } from './ledger.ts'
import { checkOracle } from './oracle.ts'
import type { Findings } from './oracle.ts'
import { Pair } from './pair.ts'
import type { Side } from './pair.ts'
import { Sent, send, terminate } from './sent.ts'
import type { Task } from './tasks.ts'

export type Scenario = {
  /** What both sides do before one is armed; without it nothing was started then. */
  readonly prepare?: (trial: Trial) => Promise<void>
  /** What goes on while it dies and comes back. */
  readonly act: (trial: Trial) => Promise<void>
  /** How many clients there are, one unless it says two. */
  readonly clients?: 1 | 2
  /** Settings of the armed process. */
  readonly armedEnv?: Readonly<Record<string, string>>
  readonly check?: (trial: Trial, findings: Findings) => Promise<void>
}

/** Who asks a server that is away asks again so soon. */
const againMs = 25

export class Trial {
  readonly pair: Pair
  readonly ledger: Ledger
  readonly sent: Sent[] = []
  /** Resolves when the one that died is up again. */
  readonly back: Promise<void>
  readonly #isBack = Promise.withResolvers<void>()
  readonly #isOver = new AbortController()

  constructor(pair: Pair, ledger: Ledger) {
    this.pair = pair
    this.ledger = ledger
    this.back = this.#isBack.promise
  }

  get directories(): Directories {
    return this.pair.directories
  }

  /** Sends a task until it is taken, as a good application does, whoever dies meanwhile. */
  async upload(task: Task): Promise<Sent> {
    const upload = new Sent(task, 'user')
    this.sent.push(upload)
    while (upload.id === undefined) {
      const answer = await send(this.pair.door, upload)
      if (upload.id === undefined) await this.#pause(answer)
    }
    return upload
  }

  /** Sends what was taken once more, until it is answered. */
  async sendAgain(upload: Sent): Promise<void> {
    for (;;) {
      const answer = await send(this.pair.door, upload)
      if ('status' in answer && answer.status === 200) return
      await this.#pause(answer)
    }
  }

  /** Asks for the end of a job until that is heard. */
  async terminate(upload: Sent): Promise<void> {
    while (!upload.hasHeardOfItsEnd) {
      const answer = await terminate(this.pair.door, upload)
      if (!upload.hasHeardOfItsEnd) await this.#pause(answer)
    }
  }

  /** Resolves when the script of a task has told that it started. */
  async started({ label }: Task): Promise<void> {
    await until(`${label} has started`, async () =>
      (await this.ledger.read()).some((entry) => entry.label === label),
    )
  }

  /** Starts what is not armed, lets the other die at each point in turn, and brings it back. */
  async run(side: Side, crashes: readonly string[], scenario: Scenario): Promise<void> {
    await scenario.prepare?.(this)
    const other = side === 'server' ? 'client' : 'server'
    const needsOther = !scenario.prepare
    try {
      await Promise.all([
        this.#die(side, crashes, scenario),
        needsOther && this.pair.start(other),
        scenario.act(this),
      ])
    } finally {
      // One that has failed asks nobody any more: it would keep its test from ending.
      this.#isOver.abort()
    }
    const { sent, ledger, directories } = this
    const api = this.pair.door
    const findings = await checkOracle({ api, sent, ledger, directories })
    await scenario.check?.(this, findings)
  }

  async #die(side: Side, crashes: readonly string[], scenario: Scenario): Promise<void> {
    for (const crashAt of crashes) {
      await this.pair.start(side, { crashAt, env: scenario.armedEnv })
      await this.pair.died(side)
    }
    await this.pair.start(side)
    this.#isBack.resolve()
  }

  async #pause(answer: Sent['answers'][number]): Promise<void> {
    // A refusal is an answer that no trial expects, but for those that say when to come again.
    if ('status' in answer && answer.retryAfterSeconds === null) {
      throw new Error(`answered with ${answer.status}: ${answer.body.message}`)
    }
    await delay(againMs, undefined, { signal: this.#isOver.signal })
  }
}

/**
 * Runs one trial in a lab of its own, with the program as `bundled` has it.
 *
 * @param isTrusting whether all that protects both sides is on.
 */
export async function runTrial(
  { executable, env }: Bundled,
  side: Side,
  crashes: readonly string[],
  scenario: Scenario,
  isTrusting = process.env['TRUST'] === 'on',
  isolation = usualIsolation,
): Promise<void> {
  await using lab = await Lab.create(executable)
  using ledger = new Ledger(join(lab.directory, 'ledger'), isolation)
  await ledger.create()
  const settings = { ...env, ...ledger.clientEnv }
  const pair = await Pair.create(lab, settings, scenario.clients, isTrusting)
  const trial = new Trial(pair, ledger)
  try {
    await trial.run(side, crashes, scenario)
  } catch (error) {
    throw new Error(`${String(error)}\n${trial.pair.said}`, { cause: error })
  }
}
