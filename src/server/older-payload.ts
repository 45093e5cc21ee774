/** One payload at a client of version 2.2.3: asked for, ended where it is to end, and fetched. */
import type { Readable } from 'node:stream'
import { Fault, isAbort, isOfDisk, messageOf } from '../domain/errors.ts'
import type { ClientAddress, Ending } from '../domain/job.ts'
import { markerOf } from '../domain/marker.ts'
import { maxRuntime, timeLimitReason } from '../domain/max-runtime.ts'
import type { MaxRuntime } from '../domain/max-runtime.ts'
import { judge } from '../domain/payload.ts'
import type { JobFiles } from '../files/job-files.ts'
import type { Log } from '../log.ts'
import type { ActiveJob, JobStore } from '../store/jobs.ts'
import { backOffMs } from './back-off.ts'
import type { OlderGateway } from './gateway.ts'
import { recordEnd } from './record-end.ts'

/** A result that could not be had so many times, some minutes with the pauses, is given up. */
const mostTroubles = 40
/** Between two kills of a script that goes on. */
const killAgainMs = 2_000
/** Beyond KILL_GRACE: what its client still calls running then, though it was ended, is given up. */
const mostAfterKillMs = 30_000

export type OlderPayloadContext = {
  readonly address: ClientAddress
  readonly store: JobStore
  readonly files: JobFiles
  readonly gateway: OlderGateway
  /** Milliseconds by service; one that is not named has no limit. */
  readonly maxRuntimes: ReadonlyMap<string, number>
  readonly killGraceMs: number
  readonly log: Log
}

/** What such a client says when a payload has ended. */
const endings: ReadonlySet<string> = new Set<Ending>(['Completed', 'Failed', 'Invalid', 'Killed'])

/** What is remembered of an attempt while it is asked for. */
type Seen = {
  readonly attempt: number
  /** Process id of its script; 0 before it was told. */
  pid: number
  /** By the monotonic clock: when its script started, as far as is known here. */
  startedMs?: number
  /** By the monotonic clock; the first that was answered, and the last that was tried. */
  firstKillMs?: number
  lastKillMs?: number
}

export class OlderPayload {
  /** Of the job. */
  readonly id: number
  /** By the monotonic clock. */
  askedAtMs = 0
  readonly #context: OlderPayloadContext
  #task: Promise<void> | undefined
  #troubles = 0
  #notBeforeMs = 0
  #seen: Seen = { attempt: 0, pid: 0 }

  constructor(id: number, context: OlderPayloadContext) {
    this.id = id
    this.#context = context
  }

  get isBusy(): boolean {
    return this.#task !== undefined
  }

  /** Resolves when nothing is being done with it. */
  get idle(): Promise<void> {
    return this.#task ?? Promise.resolve()
  }

  isDue(nowMs: number): boolean {
    return !this.isBusy && nowMs >= this.#notBeforeMs
  }

  begin(work: () => Promise<void>): void {
    this.askedAtMs = performance.now()
    const { log } = this.#context
    this.#task = work()
      .then(() => (this.#troubles = 0))
      .catch((error: unknown) => {
        this.#notBeforeMs = performance.now() + backOffMs(this.#troubles++)
        if (this.#troubles > 1 || isAbort(error)) return
        const unforeseen = error instanceof Fault ? {} : { err: error }
        const again = `job ${this.id} could not be asked for, will be tried again`
        log.warn({ job: this.id, ...unforeseen }, `${again}: ${messageOf(error)}`)
      })
      .then(() => (this.#task = undefined))
  }

  /**
   * Asks once, and does what follows from the answer.
   *
   * @returns `false` if the client does not know the payload.
   * @throws Fault when it has to be asked again.
   */
  async ask(active: ActiveJob, payloadId: number, signal: AbortSignal): Promise<boolean> {
    const { address, gateway } = this.#context
    const answer = await gateway.ask(address, payloadId, signal)
    if (answer.is === 'missing') return false
    const { number } = active.attempt
    if (this.#seen.attempt !== number) this.#seen = { attempt: number, pid: 0 }
    if (answer.is === 'status') {
      // A payload keeps its process: this is another one, which must not be killed for it.
      if (this.#seen.pid !== 0 && answer.pid !== this.#seen.pid) return false
      this.#seen.pid = answer.pid
    }
    if (answer.is === 'result') {
      await this.#fetch(active, payloadId, 'Completed', answer.content, signal)
    } else if (answer.status === 'Running') {
      await this.#onRunning(active, payloadId, answer.pid, signal)
    } else if (answer.status === 'Cleaned') {
      await this.lose(active, 'its client has removed its files already')
    } else if (endings.has(answer.status)) {
      await this.#fetch(active, payloadId, answer.status as Ending, undefined, signal)
    }
    return true
  }

  async lose({ job, attempt }: ActiveJob, reason: string): Promise<void> {
    const fact = { is: 'lost', attempt: attempt.number, reason } as const
    await this.#context.store.learn(job.id, fact, Date.now())
  }

  async #onRunning(
    active: ActiveJob,
    payloadId: number,
    pid: number,
    signal: AbortSignal,
  ): Promise<void> {
    const { address, gateway, store, killGraceMs } = this.#context
    const { job, attempt } = active
    if (job.status !== 'Running') {
      const instance = attempt.instance ?? ''
      const fact = { is: 'started', attempt: attempt.number, payloadId, instance } as const
      await store.learn(job.id, fact, Date.now())
    }
    if (job.terminateRequestedAtMs === null && !this.#passedLimit(active)) return
    const now = performance.now()
    const { firstKillMs = now, lastKillMs = -Infinity } = this.#seen
    if (now - firstKillMs > killGraceMs + mostAfterKillMs) {
      return this.#fetch(active, payloadId, 'Killed', undefined, signal)
    }
    // Without a process id it is marked as killed there, and its script starts all the same.
    if (pid === 0 || now - lastKillMs < killAgainMs) return
    this.#seen.lastKillMs = now
    await gateway.kill(address, payloadId, signal)
    this.#seen.firstKillMs ??= now
  }

  /** The time limit of a script that has run for longer; such a client has none of its own. */
  #passedLimit({ job, attempt }: ActiveJob): MaxRuntime | undefined {
    const limit = maxRuntime(job.maxRuntimeMs, this.#context.maxRuntimes.get(job.service))
    if (!limit || attempt.startedAtMs === null) return undefined
    const now = performance.now()
    // How long it ran before this process is known by the wall clock alone; then it is measured.
    this.#seen.startedMs ??= now - Math.max(0, Date.now() - attempt.startedAtMs)
    return now - this.#seen.startedMs >= limit.maxRuntimeMs ? limit : undefined
  }

  /** Stores what there is of a payload that has ended, and makes the job final. */
  async #fetch(
    active: ActiveJob,
    payloadId: number,
    status: Ending,
    content: Readable | undefined,
    signal: AbortSignal,
  ): Promise<void> {
    const { job, attempt } = active
    try {
      const { result, exitCode } = await this.#store(active, payloadId, content, signal)
      const verdict = this.#verdict(active, status, exitCode)
      const fact = { is: 'ended', attempt: attempt.number, ...verdict, result } as const
      await recordEnd(this.#context, job.id, fact)
    } catch (error) {
      // Another payload has its id now: this one is nowhere any more.
      const isLost = error instanceof Fault && /conflict|not_found/.test(error.code)
      if (isLost) return this.lose(active, messageOf(error))
      // Our own disk is not the client's fault: it waits until there is room.
      if (isAbort(error) || isOfDisk(error) || this.#troubles < mostTroubles) throw error
      const why = `its result cannot be had: ${messageOf(error)}`
      const verdict = this.#verdict(active, status, null)
      if (verdict.status === 'Completed') return this.lose(active, why)
      const ended = { status: verdict.status, message: `${verdict.message}; ${why}`, result: null }
      await recordEnd(this.#context, job.id, { is: 'ended', attempt: attempt.number, ...ended })
    }
  }

  async #store(
    { job, attempt }: ActiveJob,
    payloadId: number,
    content: Readable | undefined,
    signal: AbortSignal,
  ) {
    const { address, files, gateway } = this.#context
    const marker = markerOf(attempt.key)
    let hasItself = false
    if (content) {
      try {
        return await files.storeOlderResult(job.id, attempt.number, content, marker, true)
      } catch (error) {
        // What is named output.zip is taken for the result there. It may be the script's own: the
        // directory has that and all else. Or its client's, cut when that ended: so it remains.
        const code = error instanceof Fault ? error.code : undefined
        if (code !== 'conflict' && code !== 'invalid') throw error
        hasItself = code === 'invalid'
      }
    }
    const directory = await gateway.partial(address, payloadId, signal)
    return files.storeOlderResult(job.id, attempt.number, directory, marker, hasItself)
  }

  #verdict(
    active: ActiveJob,
    told: Ending,
    exitCode: number | null,
  ): { readonly status: Ending; readonly message: string } {
    // The trap of a script that is ended writes the code of its last command, a 0 perhaps, and its
    // client may see that before it notes the kill.
    const wasKilled = this.#seen.lastKillMs !== undefined && told !== 'Invalid'
    const status = wasKilled ? 'Killed' : told
    const exit = { exitCode, killReason: null, cpuSeconds: null }
    switch (status) {
      case 'Completed':
        return { status, message: '' }
      case 'Invalid':
        return {
          status,
          message:
            'its client, of version 2.2.3, refused run.sh: it wants "trap \'echo $? > ' +
            '.orchestrator.exit\' EXIT" in it, and none of the words on its list',
        }
      case 'Killed': {
        const limit = this.#passedLimit(active)
        return limit === undefined || active.job.terminateRequestedAtMs !== null
          ? { status, message: 'job terminated' }
          : judge({ ...exit, killReason: timeLimitReason(limit) })
      }
      case 'Failed':
        return exitCode === null
          ? { status, message: 'run.sh failed; its client, of version 2.2.3, tells no exit code' }
          : { status, message: judge(exit).message }
    }
  }
}
