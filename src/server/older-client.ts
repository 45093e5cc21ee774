/**
 * Drives a client of version 2.2.3, which cannot tell: it is asked how its payloads are.
 *
 * What makes that hard: it has neither keys nor instances, and its ids begin again at 1 when its
 * database is gone. So an id counts only within a _life_ of the client. A new one has begun when it
 * does not know a payload that it had, or gives an id that is not above all earlier ones; then all
 * that was sent before is lost. And no result is taken without its marker.
 */
import { randomBytes } from 'node:crypto'
import { setTimeout as delay } from 'node:timers/promises'
import type { ClientAddress } from '../domain/job.ts'
import { isActive } from '../domain/job.ts'
import { markerOf } from '../domain/marker.ts'
import { isOlderLife, olderLife } from '../domain/older-life.ts'
import { heartbeatMs } from '../domain/protocol.ts'
import type { InputFile } from '../files/job-files.ts'
import type { Log } from '../log.ts'
import type { ActiveJob, JobStore } from '../store/jobs.ts'
import type { OlderGateway, OlderSubmitAnswer, SubmitAnswer, Watch } from './gateway.ts'
import { OlderPayload } from './older-payload.ts'
import type { OlderPayloadContext } from './older-payload.ts'

/** Between two rounds of questions; the 2.2.3 server asks as often. */
const pollMs = 500
/** Questions at the same time. */
const mostQuestions = 16
/** After so long it is looked whether the client has been upgraded. */
const lookAgainMs = 60_000

export type OlderClientContext = Omit<OlderPayloadContext, 'address'> & {
  readonly store: JobStore
  readonly gateway: OlderGateway
  readonly log: Log
}

export class OlderClient {
  readonly #address: ClientAddress
  readonly #jobs: ReadonlySet<number>
  readonly #context: OlderClientContext
  readonly #payloads = new Map<number, OlderPayload>()
  #life = newLife()
  #highestId = 0
  #isTakenUp = false
  #lookAgainAtMs = 0

  /** @param jobs ids of the active jobs at this client, kept up to date by whoever gives them. */
  constructor(address: ClientAddress, jobs: ReadonlySet<number>, context: OlderClientContext) {
    this.#address = address
    this.#jobs = jobs
    this.#context = context
  }

  /**
   * Asks and asks, until it is time to look whether the client is a newer one now.
   *
   * @param onLoad gets its CPU use in percent, every few seconds.
   * @throws Fault when the client cannot be reached.
   */
  async follow(signal: AbortSignal, onLoad: (percent: number) => void): Promise<void> {
    const { gateway } = this.#context
    await this.#takeUp()
    this.#lookAgainAtMs = performance.now() + lookAgainMs
    for (let nextLoad = 0; performance.now() < this.#lookAgainAtMs;) {
      if (performance.now() >= nextLoad) {
        nextLoad = performance.now() + heartbeatMs
        onLoad(await gateway.load(this.#address, signal))
      }
      this.#askAll(signal)
      await delay(pollMs, undefined, { signal })
    }
  }

  /** Resolves when no question is open any more; to be called when the signal has been given. */
  async stop(): Promise<void> {
    await Promise.all([...this.#payloads.values()].map((payload) => payload.idle))
  }

  /** Sends a job. */
  async submit(
    { job, attempt }: ActiveJob,
    files: readonly InputFile[],
    watch: Watch,
  ): Promise<SubmitAnswer | Extract<OlderSubmitAnswer, { is: 'unanswered' }>> {
    if (!job.isFlat) {
      return { is: 'not now', reason: 'a 2.2.3 client knows no directories', fault: 'job' }
    }
    const [life, before] = [this.#life, this.#highestId]
    const { gateway } = this.#context
    const answer = await gateway.submit(this.#address, files, markerOf(attempt.key), watch)
    // A newer client in its place refuses what is sent to this one.
    if (answer.is === 'not now') this.#lookAgainAtMs = 0
    if (answer.is !== 'accepted') return answer
    const { payloadId } = answer
    // An id that was given while this was sent says nothing: answers come in any order.
    if (life === this.#life && payloadId <= before) this.#beginLife(`it gave id ${payloadId} again`)
    this.#highestId = Math.max(this.#highestId, payloadId)
    return { ...answer, instance: this.#life }
  }

  /** What an earlier process left at this client. */
  async #takeUp(): Promise<void> {
    if (this.#isTakenUp) return
    const held = await this.#context.store.active(this.#address.uploadUrl)
    const accepted = held
      .map(({ attempt }) => attempt)
      .filter(({ instance }) => isOlderLife(instance))
      .toSorted((a, b) => (a.submittedAtMs ?? 0) - (b.submittedAtMs ?? 0))
    this.#isTakenUp = true
    const life = accepted.at(-1)?.instance
    if (life == null) return
    this.#life = life
    const ids = accepted
      .filter(({ instance }) => instance === life)
      .map((one) => one.payloadId ?? 0)
    this.#highestId = Math.max(...ids)
  }

  #beginLife(why: string): void {
    this.#life = newLife()
    this.#highestId = 0
    // A newer client in its place knows nothing of them either.
    this.#lookAgainAtMs = 0
    const { uploadUrl } = this.#address
    this.#context.log.warn(`client ${uploadUrl} has lost its memory (${why}): its jobs are lost`)
  }

  #askAll(signal: AbortSignal): void {
    for (const id of this.#payloads.keys()) if (!this.#jobs.has(id)) this.#payloads.delete(id)
    const now = performance.now()
    const due = [...this.#jobs]
      .map((id) => this.#payload(id))
      .filter((payload) => payload.isDue(now))
      .toSorted((a, b) => a.askedAtMs - b.askedAtMs)
    const open = this.#payloads.values().filter((payload) => payload.isBusy)
    for (const payload of due.slice(0, Math.max(0, mostQuestions - [...open].length))) {
      payload.begin(() => this.#ask(payload, signal))
    }
  }

  #payload(id: number): OlderPayload {
    const known = this.#payloads.get(id)
    if (known) return known
    const payload = new OlderPayload(id, { ...this.#context, address: this.#address })
    this.#payloads.set(id, payload)
    return payload
  }

  async #ask(payload: OlderPayload, signal: AbortSignal): Promise<void> {
    const active = await this.#context.store.current(payload.id)
    if (!active || !isActive(active.job.status) || active.job.status === 'Processing') return
    if (active.attempt.client.uploadUrl !== this.#address.uploadUrl) return
    const { instance, payloadId } = active.attempt
    if (instance !== this.#life || payloadId === null) {
      return payload.lose(active, 'its client has lost its memory since it took it')
    }
    const known = await payload.ask(active, payloadId, signal)
    if (known || instance !== this.#life) return
    this.#beginLife(`it does not know payload ${payloadId}`)
    await payload.lose(active, 'its client does not know it any more')
  }
}

function newLife(): string {
  return olderLife(randomBytes(4).toString('hex'))
}
