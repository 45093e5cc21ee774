/** A process that requests are sent to, and what has to be true of it after each. */
import assert from 'node:assert/strict'
import { readFile, readdir } from 'node:fs/promises'
import { until } from '../harness/lab.ts'
import type { LogLine, Program } from '../harness/program.ts'
import { Document } from './document.ts'
import { exchange } from './exchange.ts'
import type { Answer } from './exchange.ts'
import { assertDescribed } from './expectation.ts'
import type { WireRequest } from './wire.ts'

/** Of the log, from this level on, something was not foreseen. */
const errorLevel = 50

/** A process that is ready. */
export type Up = { readonly program: Program; readonly address: string }

const none = [0, 0] as const

/** What is refused is removed before, or right after that is told. */
const goneWithinMs = 10_000

/** What a mode keeps of requests. */
export type Keeping = {
  /** Names of what is being received, and should be gone when a request is over. */
  readonly incoming: () => Promise<readonly string[]>
  /** How much was taken for good so far. */
  readonly taken: () => Promise<number>
  /** How much has been taken where this is the answer: least and most. */
  readonly takenWhen: (request: WireRequest, answer: Answer) => readonly [number, number]
}

export class Subject {
  readonly document: Document
  readonly #start: () => Promise<Up>
  readonly #keeping: Keeping
  #up: Up
  readonly #toldErrors = new Set<LogLine>()
  readonly #toldLeft = new Set<string>()
  /** So many requests may be taken still. */
  #late = 0
  /** How often each status was answered. */
  readonly statuses = new Map<number | 'none', number>()

  private constructor(document: Document, start: () => Promise<Up>, up: Up, keeping: Keeping) {
    this.document = document
    this.#start = start
    this.#up = up
    this.#keeping = keeping
  }

  /** @param start starts it, again where it has ended. */
  static async create(start: () => Promise<Up>, keeping: Keeping): Promise<Subject> {
    const up = await start()
    return new Subject(await Document.of(up.address), start, up, keeping)
  }

  get port(): number {
    return Number(new URL(this.#up.address).port)
  }

  /** Sends a request, and @throws Error when anything is not as it should be then. */
  async attempt(request: WireRequest): Promise<void> {
    // A smaller request is looked for that ends it, too.
    if (this.#hasEnded) this.#up = await this.#start()
    const takenBefore = await this.#keeping.taken()
    const answer = await exchange(this.port, request).catch((error: unknown) => {
      this.#assertAlive()
      throw error
    })
    const status = answer?.status ?? 'none'
    this.statuses.set(status, (this.statuses.get(status) ?? 0) + 1)
    try {
      assertDescribed(this.document, request, answer)
    } catch (error) {
      // What the log says of it may come later, and is not to be taken for the next request's.
      if (status === 500) await this.#up.program.line((line) => this.#isNews(line))
      this.#assertAlive()
      throw error
    }
    this.#assertAlive()
    await this.#assertNothingLeft()
    const taken = (await this.#keeping.taken()) - takenBefore
    const [least, most] = answer ? this.#keeping.takenWhen(request, answer) : none
    // What comes behind a request that has ended is refused at once, and that perhaps taken later.
    if (request.framing === 'less' && most === 0) this.#late++
    this.#late -= Math.max(0, taken - most)
    const isRight = taken >= least && this.#late >= 0
    this.#late = Math.max(0, this.#late)
    assert.ok(isRight, `answered with ${status}, and ${taken} were taken`)
  }

  async #assertNothingLeft(): Promise<void> {
    let left: readonly string[] = []
    try {
      await until(
        'nothing is left of what was received',
        async () => {
          left = (await this.#keeping.incoming()).filter((name) => !this.#toldLeft.has(name))
          return left.length === 0
        },
        goneWithinMs,
      )
    } finally {
      // It is one request's fault, and not that of all that come.
      for (const name of left) this.#toldLeft.add(name)
    }
  }

  /** @throws AssertionError if it has ended, or has said that something went wrong. */
  #assertAlive(): void {
    const { child, lines, errors } = this.#up.program
    if (this.#hasEnded) {
      const last = lines.slice(-5).map((line) => JSON.stringify(line))
      const how = child.exitCode ?? child.signalCode
      throw new Error([`it has ended (${how}): ${errors}`, ...last].join('\n'))
    }
    const news = lines.filter((line) => this.#isNews(line))
    for (const line of news) this.#toldErrors.add(line)
    const told = news.map((line) => JSON.stringify(line)).join('\n')
    assert.equal(news.length, 0, `it has logged an error: ${told}`)
    assert.equal(errors, '', 'it has written to standard error')
  }

  get #hasEnded(): boolean {
    const { exitCode, signalCode } = this.#up.program.child
    return exitCode !== null || signalCode !== null
  }

  #isNews(line: LogLine): boolean {
    return Number(line['level']) >= errorLevel && !this.#toldErrors.has(line)
  }

  /** What it has of memory and of open files. */
  async holds(): Promise<{ readonly memoryMiB: number; readonly openFiles: number }> {
    const { pid } = this.#up.program
    const status = await readFile(`/proc/${pid}/status`, 'latin1')
    const kiB = Number(/^VmRSS:\s+(\d+) kB/m.exec(status)?.[1])
    const openFiles = (await readdir(`/proc/${pid}/fd`)).length
    return { memoryMiB: Math.round(kiB / 1024), openFiles }
  }
}
