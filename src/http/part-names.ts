/**
 * Rewrites the names of parts as one HTTP library of R servers writes them into what busboy reads.
 *
 * reqwest sends `name*=utf-8''copy%20(1).txt; filename="copy (1).txt"`. RFC 7578 has no `name*`, and
 * RFC 5987 no bare parentheses: busboy gives such a part no name, or skips it as if it were not
 * there. Here it becomes `name="copy (1).txt"`, in the heads of parts alone.
 */
import { Transform } from 'node:stream'
import type { TransformCallback } from 'node:stream'

const headEnd = Buffer.from('\r\n\r\n')
/** Nor is a longer head read by busboy, which would not say what is wrong with it. */
const longestHeadBytes = 16 * 1024

/** The boundary that a Content-Type names; see RFC 2046, section 5.1.1. */
export function boundaryOf(contentType: string): string | undefined {
  const [, quoted, plain] = /;\s*boundary=(?:"([^"]+)"|([^\s;"]+))/i.exec(contentType) ?? []
  return quoted ?? plain
}

export class PartNames extends Transform {
  readonly #delimiter: Buffer
  /** What may be the beginning of a delimiter, or of the end of a head. */
  #held: Buffer
  #isInHead = false
  #isFirst = true

  constructor(boundary: string) {
    super()
    this.#delimiter = Buffer.from(`\r\n--${boundary}`)
    // The first delimiter is at the very start of the body, where no line ends before it.
    this.#held = Buffer.from('\r\n')
  }

  override _transform(chunk: Buffer, _encoding: BufferEncoding, done: TransformCallback): void {
    let rest = this.#held.byteLength === 0 ? chunk : Buffer.concat([this.#held, chunk])
    for (;;) {
      if (this.#isInHead && isTooLong(rest)) {
        return done(new Error(`the head of a part is longer than ${longestHeadBytes} bytes`))
      }
      const [found, keep] = this.#isInHead ? this.#findHead(rest) : this.#findDelimiter(rest)
      if (found === undefined) {
        this.#emit(rest.subarray(0, rest.byteLength - keep))
        this.#held = rest.subarray(rest.byteLength - keep)
        return done()
      }
      const piece = rest.subarray(0, found)
      this.#emit(this.#isInHead ? rewrite(piece) : piece)
      this.#isInHead = !this.#isInHead
      rest = rest.subarray(found)
    }
  }

  override _flush(done: TransformCallback): void {
    this.#emit(this.#held)
    done()
  }

  /** Where the next delimiter ends, or how much of the end may be its beginning. */
  #findDelimiter(bytes: Buffer): [number | undefined, number] {
    const delimiter = this.#delimiter
    const at = bytes.indexOf(delimiter)
    if (at >= 0) return [at + delimiter.byteLength, 0]
    // Seldom more than nothing: only where a line ends.
    const from = Math.max(0, bytes.byteLength - delimiter.byteLength + 1)
    for (let start = bytes.indexOf(13, from); start >= 0; start = bytes.indexOf(13, start + 1)) {
      const tail = bytes.subarray(start)
      if (tail.equals(delimiter.subarray(0, tail.byteLength))) return [undefined, tail.byteLength]
    }
    return [undefined, 0]
  }

  /** Where the head of a part ends, or that all has to be held until it does. */
  #findHead(bytes: Buffer): [number | undefined, number] {
    // What goes on otherwise was no delimiter, or the last one.
    if (!bytes.subarray(0, 2).equals(headEnd.subarray(0, Math.min(2, bytes.byteLength)))) {
      return [0, 0]
    }
    const at = bytes.indexOf(headEnd)
    if (at >= 0) return [at + headEnd.byteLength, 0]
    return [undefined, bytes.byteLength]
  }

  #emit(bytes: Buffer): void {
    if (bytes.byteLength === 0) return
    this.push(this.#isFirst ? bytes.subarray(2) : bytes)
    this.#isFirst = false
  }
}

/** Of what begins with a head. */
function isTooLong(bytes: Buffer): boolean {
  if (bytes.byteLength <= longestHeadBytes) return false
  const start = bytes.subarray(0, longestHeadBytes)
  return start.subarray(0, 2).equals(headEnd.subarray(0, 2)) && !start.includes(headEnd)
}

/** The head of a part with its `name*`, if it has one, written as a `name`. */
function rewrite(head: Buffer): Buffer {
  const text = head.toString('latin1')
  const changed = text.replace(
    /^(content-disposition: *form-data; *)name\*=utf-8''([^\r\n]*?)(?=; *filename="|\r$)/im,
    (whole: string, before: string, encoded: string) => {
      const name = decode(encoded)
      if (name === undefined) return whole
      const quoted = name.replaceAll(/[\\"]/g, '\\$&')
      return `${before}name="${Buffer.from(quoted).toString('latin1')}"`
    },
  )
  return changed === text ? head : Buffer.from(changed, 'latin1')
}

/** `undefined` for what is malformed, and for what cannot stand in a head: busboy is to judge. */
function decode(encoded: string): string | undefined {
  try {
    const name = decodeURIComponent(encoded)
    return /\p{Cc}/u.test(name) ? undefined : name
  } catch {
    return undefined
  }
}
