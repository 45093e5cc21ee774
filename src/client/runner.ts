/** Starts prepared payloads, sees them end, and has them packed. */
import { setTimeout as delay } from 'node:timers/promises'
import { crashPoint } from '../crash-points.ts'
import { asFault, messageOf } from '../domain/errors.ts'
import { allOf, smaller } from '../domain/limits.ts'
import { judge } from '../domain/payload.ts'
import type { Payload } from '../domain/payload.ts'
import type { Execution, Task } from '../executors/executor.ts'
import { isFullAt } from '../files/free-space.ts'
import { lastLine } from '../files/read.ts'
import { Loop } from '../loop.ts'
import { step } from './changes.ts'
import { watchLimits } from './limits.ts'
import { watchRuntime } from './max-runtime.ts'
import { Scarcity, startScript } from './start-script.ts'
import type { ClientContext } from './context.ts'
import { ownEnvironment } from './environment.ts'
import { pack } from './pack.ts'
import type { Verdict } from './pack.ts'

/** A full disk may have room again later. */
const retryMs = 5_000

/** Why a payload is invalid. A 2.2.3 server is not told when it sends it, but when it asks. */
export const noScript = 'there is no run.sh at the top of the payload'

export class Runner {
  readonly #context: ClientContext
  readonly #loop: Loop
  readonly #executions = new Map<number, Execution>()
  /** What is being done with a payload now, from its start to its end. */
  readonly #tasks = new Map<number, Promise<void>>()
  /** Payloads of which nothing is wanted any more. */
  readonly #abandoned = new Set<number>()
  /** Payloads that were not to be started when they became durable; see `Manifest`. */
  readonly #waiting = new Set<number>()
  readonly #stopping = new AbortController()

  constructor(context: ClientContext) {
    this.#context = context
    this.#loop = new Loop('runner', async () => this.#startAll(), context.log)
  }

  start(): void {
    this.#loop.start()
  }

  wake(): void {
    this.#loop.wake()
  }

  /** Starts no script any more. */
  async rest(): Promise<void> {
    await this.#loop.stop()
  }

  /**
   * Starts nothing more. Scripts go on without us; what is being packed is packed and written first,
   * unless the signal says that there is no time.
   */
  async stop(hurry: AbortSignal): Promise<void> {
    this.#stopping.abort()
    await this.#loop.stop()
    const packing = [...this.#tasks].filter(([id]) => !this.#executions.has(id))
    const { promise: cut, resolve } = Promise.withResolvers<void>()
    hurry.addEventListener('abort', () => resolve())
    if (hurry.aborted) resolve() // requests under way have taken all the time there was
    const packed = Promise.all(packing.map(([, task]) => task))
    await Promise.race([packed.then(() => this.#context.smallResults.stop()), cut])
  }

  /** Whether another payload could start now, beside those that are being received. */
  hasFreeSlot(receiving: number): boolean {
    const { store, slots } = this.#context
    return slots === null || store.count().active + receiving < slots
  }

  /** Whether a payload that comes now is started when it is there. */
  get startsAtOnce(): boolean {
    const { store, slots } = this.#context
    return slots === null || store.count().running < slots
  }

  /** Has it noted on disk that a payload's script may be started, before it is. */
  noteBefore(id: number): void {
    this.#waiting.add(id)
  }

  /** What a payload's script is started with. */
  taskOf(payload: Payload): Task {
    const { files, environment: common } = this.#context
    const paths = files.paths(payload.id)
    const service = payload.origin?.service ?? null
    const limits = smaller(allOf(this.#context.limits, 'client'), payload.origin?.limits ?? {})
    return { id: payload.id, service, paths, common, own: ownEnvironment(payload, paths), limits }
  }

  /** Goes on with a script that runs already. */
  resume(payload: Payload, execution: Execution): void {
    this.#track(payload.id, this.#follow(payload, execution))
  }

  /** Makes a payload that will not run final. */
  settle(payload: Payload, verdict: Verdict): void {
    this.#track(payload.id, this.#settle(payload, verdict))
  }

  /** Ends the script of a payload, if it runs; it is packed like any other. */
  kill(id: number, reason: string): void {
    this.#executions.get(id)?.kill(reason)
  }

  /** Ends the script of a payload, if it runs, and resolves when nobody works on it any more. */
  async abandon(id: number, reason: string): Promise<void> {
    this.#abandoned.add(id)
    this.kill(id, reason)
    await this.#tasks.get(id)
    this.#abandoned.delete(id)
  }

  /** A supervising shell that an earlier process of ours began may come late. */
  async #settle(payload: Payload, verdict: Verdict): Promise<void> {
    const { store, executor, log } = this.#context
    const { id } = payload
    const isPrevented = await executor.prevent(this.taskOf(payload)).catch((error: unknown) => {
      log.warn({ err: error, payload: id }, `it cannot be noted that payload ${id} is not to run`)
      return true
    })
    // It may have been cancelled, and removed, meanwhile.
    if (!store.find(id)) return
    const execution = isPrevented ? undefined : await executor.adopt(this.taskOf(payload))
    if (execution) {
      const started = step(this.#context, id, 'Prepared', 'Running', { startedAtMs: Date.now() })
      if (started) return this.#follow(started, execution)
    }
    return pack(this.#context, payload, verdict, undefined, this.#stopping.signal)
  }

  async #startAll(): Promise<undefined> {
    const { store } = this.#context
    while (this.startsAtOnce) {
      const payload = store.nextPrepared()
      if (!payload) return
      const change = { startedAtMs: Date.now() }
      const started = step(this.#context, payload.id, 'Prepared', 'Running', change)
      crashPoint('run: chosen')
      if (started) this.#track(payload.id, this.#run(started))
    }
  }

  #track(id: number, task: Promise<void>): void {
    const { log } = this.#context
    const tracked = task
      .catch((error: unknown) => {
        if (this.#stopping.signal.aborted) return
        log.error({ err: error, payload: id }, `payload ${id} is stuck until the next start`)
      })
      .finally(() => {
        this.#tasks.delete(id)
        this.wake()
      })
    this.#tasks.set(id, tracked)
  }

  async #run(payload: Payload): Promise<void> {
    const { log, files, bootId } = this.#context
    const { id, origin } = payload
    const { signal } = this.#stopping
    if (!origin && !files.hasScript(id)) {
      const verdict: Verdict = { status: 'Invalid', message: noScript }
      return pack(this.#context, payload, verdict, undefined, signal)
    }
    let execution: Execution | undefined
    try {
      if (this.#waiting.delete(id)) await files.noteBoot(id, bootId)
      const isWanted = () => !this.#abandoned.has(id) && this.#killReason(id) === null
      execution = await startScript(this.#context, this.taskOf(payload), isWanted, signal)
    } catch (error) {
      if (signal.aborted) throw error
      log.error({ err: error, payload: id }, `payload ${id} could not be started`)
      const message = `run.sh could not be started: ${messageOf(asFault(error))}`
      // A server of 2.2.3 knows no other attempt.
      if (error instanceof Scarcity && origin) return this.#lose(payload, message)
      const verdict = await this.#tellDisk(id, { status: 'Failed', message })
      return pack(this.#context, payload, verdict, undefined, signal)
    }
    if (execution) return this.#follow(payload, execution)
    if (this.#abandoned.has(id)) return
    const verdict: Verdict = { status: 'Killed', message: this.#killReason(id) ?? '' }
    return pack(this.#context, payload, verdict, undefined, signal)
  }

  /** Why a payload is to be ended; `null`: it is not. */
  #killReason(id: number): string | null {
    return this.#context.store.find(id)?.killReason ?? null
  }

  /** Its script may have run: what comes under this key again must not start it once more. */
  async #refuse({ origin }: Payload): Promise<void> {
    const { memory, log } = this.#context
    while (origin) {
      try {
        return memory.refuse(origin.key, Date.now())
      } catch (error) {
        log.error({ err: error }, 'a key could not be refused, will be tried again')
        await delay(retryMs, undefined, { signal: this.#stopping.signal })
      }
    }
  }

  /** What the script said last is most often why it failed. */
  async #explain(id: number, verdict: Verdict): Promise<Verdict> {
    if (verdict.status !== 'Failed') return verdict
    const line = await lastLine(this.#context.files.paths(id).stderr).catch(() => '')
    const said = line === '' ? '' : `; stderr: ${line}`
    return this.#tellDisk(id, { ...verdict, message: `${verdict.message}${said}` })
  }

  /** On a full disk nothing may have been said of what was wrong. */
  async #tellDisk(id: number, verdict: Verdict): Promise<Verdict> {
    const { directory } = this.#context.files.paths(id)
    if (!isFullAt(directory)) return verdict
    return {
      ...verdict,
      message: `${verdict.message}; the disk of its client, in ${directory}, is full`,
    }
  }

  async #follow({ id }: Payload, execution: Execution): Promise<void> {
    const { store, sandbox } = this.#context
    this.#executions.set(id, execution)
    const running = store.change(id, 'Running', 'Running', { pid: execution.pid })
    if (!running) throw new Error(`payload ${id} runs, but is not Running`)
    crashPoint('run: noted')
    if (running.killReason !== null) execution.kill(running.killReason)
    const watch = watchRuntime(this.#context, running, execution)
    const limits = watchLimits(this.#context, running, execution)
    const exit = await execution.ended.finally(() => {
      this.#executions.delete(id)
      return Promise.all([watch.stop(), limits.stop()])
    })
    if (this.#abandoned.has(id)) return
    crashPoint(exit === 'lost' ? 'vanished: seen' : 'end: seen')
    if (exit === 'lost') {
      return this.#lose(running, 'its supervising shell vanished without an exit code')
    }
    const verdict = await this.#explain(id, judge(exit, running.killReason))
    if (exit.trouble !== undefined && exit.killReason === null) {
      sandbox.doubt()
      // A server of 2.2.3 knows no other attempt.
      if (running.origin) return this.#lose(running, verdict.message)
    }
    await pack(this.#context, running, verdict, exit, this.#stopping.signal)
  }

  /** Another attempt may succeed, somewhere else. */
  async #lose(payload: Payload, message: string): Promise<void> {
    const { store, files, events, drain, log } = this.#context
    const { id } = payload
    log.error({ payload: id }, `payload ${id} is lost: ${message}`)
    await this.#refuse(payload)
    crashPoint('vanished: refused')
    store.remove(id)
    await files.remove(id)
    crashPoint('vanished: removed')
    events.tellLost(payload, message)
    drain.look()
  }
}
