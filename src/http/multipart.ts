/** A multipart body, part by part, as it comes. */
import type { IncomingMessage } from 'node:http'
import type { Readable } from 'node:stream'
import busboy from 'busboy'
import { Fault, messageOf } from '../domain/errors.ts'
import type { Part } from '../domain/part.ts'
import { linger } from './linger.ts'
import { PartNames, boundaryOf } from './part-names.ts'

const longestFieldBytes = 64 * 1024
const mostFields = 100

const longestFieldNameBytes = 1024

export type BodyLimits = {
  /** Of the whole body, counted as they come. */
  readonly mostBytes: number
  /** What says so. */
  readonly mostBytesName: string
  readonly mostFiles: number
  /** A body may take any time, but not stand still for so long. */
  readonly timeoutMs: number
}

/**
 * So many parts may be here of which nobody has asked for the content yet. A sender is faster than a
 * disk, and a part of a few bytes costs a thousand in memory.
 */
const mostAhead = 32

/**
 * Reads a request's body. The content of each file has to be read before the next part is asked for.
 *
 * Whoever stops early, by an error or by leaving the loop, need not care for the rest of the body.
 *
 * @throws Fault `unsupported`, `invalid`, `too_large`, `timed_out`.
 */
export async function* readParts(
  request: IncomingMessage,
  limits: BodyLimits,
): AsyncGenerator<Part, void, undefined> {
  if (Number(request.headers['content-length']) > limits.mostBytes) {
    linger(request)
    throw tooLarge(limits)
  }
  const body = new MultipartBody(request, limits)
  try {
    for (let part = await body.next(); part; part = await body.next()) yield part
  } finally {
    body.close()
  }
}

class MultipartBody {
  readonly #request: IncomingMessage
  readonly #parser: busboy.Busboy
  readonly #names: PartNames | undefined
  /** What the parser is fed from. */
  readonly #source: Readable
  #isHeldUp = false
  readonly #limits: BodyLimits
  #bytes = 0
  #files = 0
  readonly #parts: Part[] = []
  #file: Readable | undefined
  #fault: Fault | undefined
  #isWhole = false
  #news = Promise.withResolvers<void>()
  readonly #silence: NodeJS.Timeout

  constructor(request: IncomingMessage, limits: BodyLimits) {
    this.#request = request
    this.#limits = limits
    this.#parser = createParser(request)
    this.#parser.on('field', (name, value: string | undefined, truncated) => {
      if (Buffer.byteLength(name) > longestFieldNameBytes) {
        const most = `${longestFieldNameBytes} bytes`
        this.#fail(new Fault('invalid', `the name of a field is longer than ${most}`))
      } else if (truncated.valueTruncated) {
        const which = `field ${JSON.stringify(name)}`
        this.#fail(new Fault('invalid', `${which} is longer than ${longestFieldBytes} bytes`))
      } else if (value === undefined) {
        this.#fail(new Fault('invalid', `field "${name}" has a charset that is not known`))
      } else this.#push({ kind: 'field', name, value })
    })
    this.#parser.on('fieldsLimit', () => {
      this.#fail(new Fault('invalid', `there are more than ${mostFields} fields`))
    })
    this.#parser.on('file', (field, stream, { filename }) => {
      stream.on('error', () => {}) // told by `read`, or by nobody if it is never read
      // A form's file input that was left empty sends an empty name.
      if (filename) this.#pushFile(field ?? '', filename, stream)
      else stream.resume()
    })
    this.#parser.on('error', (error) => this.#fail(asInvalid(error)))
    this.#parser.on('close', () => {
      this.#isWhole = true
      this.#news.resolve()
    })
    this.#silence = setTimeout(() => this.#onSilence(), limits.timeoutMs)
    request.on('data', this.#count)
    request.once('close', this.#broken)
    // It may be over before anybody listens: nothing more comes then, and nothing is told.
    if (request.destroyed) this.#broken()
    this.#names = namesOf(request)
    this.#names?.on('error', (error) => this.#fail(asInvalid(error)))
    this.#source = this.#names ? request.pipe(this.#names) : request
    this.#source.pipe(this.#parser)
  }

  /** The next part; `undefined` when the body is whole. */
  async next(): Promise<Part | undefined> {
    for (;;) {
      if (this.#fault) throw this.#fault
      const part = this.#parts.shift()
      this.#goOn()
      if (part) return part
      if (this.#isWhole) return undefined
      this.#news = Promise.withResolvers()
      await this.#news.promise
    }
  }

  close(): void {
    const request = this.#request
    clearTimeout(this.#silence)
    request.off('data', this.#count)
    request.off('close', this.#broken)
    request.unpipe()
    this.#source.unpipe()
    this.#parser.on('error', () => {}) // what it says from here on interests nobody
    this.#file?.on('error', () => {})
    if (!this.#isWhole) this.#parser.destroy()
    linger(request)
  }

  #push(part: Part): void {
    this.#parts.push(part)
    this.#news.resolve()
    if (this.#parts.length < mostAhead || this.#isHeldUp) return
    this.#isHeldUp = true
    this.#source.unpipe(this.#parser)
  }

  /** Takes more, where it was held up and few parts are left. */
  #goOn(): void {
    if (!this.#isHeldUp || this.#parts.length > mostAhead / 2) return
    this.#isHeldUp = false
    this.#source.pipe(this.#parser)
  }

  #pushFile(field: string, filename: string, stream: Readable): void {
    this.#file = stream
    const { mostFiles } = this.#limits
    if (++this.#files > mostFiles) {
      stream.resume()
      const why = `there are more than ${mostFiles} files (MAX_UPLOAD_FILES)`
      return this.#fail(new Fault('too_large', why))
    }
    this.#push({ kind: 'file', field, filename, content: this.#read(stream) })
  }

  async *#read(stream: Readable): AsyncGenerator<Uint8Array> {
    try {
      yield* stream
    } catch (error) {
      throw this.#fault ?? new Fault('invalid', 'the multipart body is malformed', { cause: error })
    }
    if (this.#fault) throw this.#fault
  }

  #fail(fault: Fault): void {
    this.#fault ??= fault
    this.#file?.destroy(this.#fault)
    this.#news.resolve()
  }

  /** Our own disk may hold up the sender; it is silent only when we listen. */
  readonly #onSilence = (): void => {
    if (this.#request.isPaused() || this.#isHeldUp) {
      this.#silence.refresh()
      return
    }
    const { timeoutMs } = this.#limits
    const why = `nothing came for ${timeoutMs / 1000} s (BODY_TIMEOUT)`
    this.#fail(new Fault('timed_out', why))
  }

  readonly #count = (chunk: Buffer): void => {
    this.#silence.refresh()
    this.#bytes += chunk.byteLength
    if (this.#bytes > this.#limits.mostBytes) this.#fail(tooLarge(this.#limits))
  }

  readonly #broken = (): void => {
    if (!this.#request.readableEnded) {
      this.#fail(new Fault('invalid', 'the connection broke in the middle of the body'))
    }
  }
}

function createParser(request: IncomingMessage): busboy.Busboy {
  if (!/^multipart\/form-data\b/i.test(request.headers['content-type'] ?? '')) {
    linger(request)
    throw new Fault('unsupported', 'the body must be multipart/form-data')
  }
  try {
    return busboy({
      headers: request.headers,
      preservePath: true,
      defParamCharset: 'utf8',
      limits: {
        fieldSize: longestFieldBytes,
        fields: mostFields,
      },
    })
  } catch (error) {
    linger(request)
    throw asInvalid(error)
  }
}

function namesOf(request: IncomingMessage): PartNames | undefined {
  const boundary = boundaryOf(request.headers['content-type'] ?? '')
  return boundary === undefined ? undefined : new PartNames(boundary)
}

function tooLarge({ mostBytes, mostBytesName }: BodyLimits): Fault {
  const most = `${mostBytesName} (${mostBytes} bytes)`
  return new Fault('too_large', `the upload is larger than ${most}`)
}

function asInvalid(error: unknown): Fault {
  return new Fault('invalid', `the multipart body is malformed: ${messageOf(error)}`, {
    cause: error,
  })
}
