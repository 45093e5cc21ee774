/** One request as bytes, one answer as bytes: whatever is sent, nothing in between mends it. */
import { connect } from 'node:net'
import { bytesOf } from './wire.ts'
import type { WireRequest } from './wire.ts'

export type Answer = {
  readonly status: number
  /** Names in lower case; of equal ones the last. */
  readonly headers: ReadonlyMap<string, string>
  readonly body: Buffer
}

/** An answer that takes longer does not come any more. */
const patienceMs = 20_000

const endOfHead = Buffer.from('\r\n\r\n')

/**
 * Sends the bytes, and resolves with the answer; with `undefined` if the connection is closed
 * without one. Of a stream without end only the beginning is read.
 *
 * An answer to HEAD has no body, whatever it says of one.
 */
export async function exchange(port: number, request: WireRequest): Promise<Answer | undefined> {
  const socket = connect(port, '127.0.0.1')
  const { promise, resolve, reject } = Promise.withResolvers<Answer | undefined>()
  const timer = setTimeout(
    () => reject(new Error(`there was no answer within ${patienceMs / 1000} s`)),
    patienceMs,
  )
  let got = Buffer.alloc(0)
  socket.on('data', (chunk: Buffer) => {
    got = Buffer.concat([got, chunk])
    const answer = readAnswer(got, request.method === 'HEAD')
    if (answer) resolve(answer)
  })
  // What is sent behind an answer may be reset; the answer counts.
  socket.on('error', () => {})
  socket.on('close', () => resolve(undefined))
  // Who promises more than comes, and waits, would only wait for the other side's patience.
  if (request.framing === 'more') socket.end(bytesOf(request))
  else socket.write(bytesOf(request))
  try {
    return await promise
  } finally {
    clearTimeout(timer)
    socket.destroy()
  }
}

/** The answer, if it is there whole. */
function readAnswer(got: Buffer, isHead: boolean): Answer | undefined {
  const end = got.indexOf(endOfHead)
  if (end < 0) return undefined
  const [statusLine = '', ...lines] = got.toString('latin1', 0, end).split('\r\n')
  const rest = got.subarray(end + endOfHead.byteLength)
  const status = Number(/^HTTP\/1\.1 (\d{3})/.exec(statusLine)?.[1] ?? 0)
  if (status >= 100 && status < 200) return readAnswer(rest, isHead)
  const headers = new Map(
    lines.map((line) => {
      const colon = line.indexOf(':')
      return [line.slice(0, colon).toLowerCase(), line.slice(colon + 1).trim()] as const
    }),
  )
  const body = isHead ? Buffer.alloc(0) : readBody(headers, rest)
  return body && { status, headers, body }
}

function readBody(headers: ReadonlyMap<string, string>, rest: Buffer): Buffer | undefined {
  if (headers.get('transfer-encoding') === 'chunked') {
    return readChunks(rest, headers.get('content-type')?.startsWith('text/event-stream') === true)
  }
  const sizeBytes = Number(headers.get('content-length') ?? 0)
  return rest.byteLength >= sizeBytes ? rest.subarray(0, sizeBytes) : undefined
}

/** @param isEndless whether the first chunk is enough. */
function readChunks(rest: Buffer, isEndless: boolean): Buffer | undefined {
  const chunks: Buffer[] = []
  for (let at = 0; ;) {
    const line = rest.indexOf('\r\n', at)
    if (line < 0) return undefined
    const sizeBytes = parseInt(rest.toString('latin1', at, line), 16)
    const end = line + 2 + sizeBytes
    if (rest.byteLength < end + 2) return undefined
    if (sizeBytes === 0) return Buffer.concat(chunks)
    chunks.push(rest.subarray(line + 2, end))
    if (isEndless) return Buffer.concat(chunks)
    at = end + 2
  }
}
