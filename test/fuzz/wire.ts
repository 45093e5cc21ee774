/** A request as it goes over the wire. */

export type WireRequest = {
  readonly method: string
  readonly target: string
  readonly headers: readonly (readonly [name: string, value: string])[]
  readonly body?: Buffer | undefined
  /** How the end of the body is told; `more`: more is promised than comes, `less`: less. */
  readonly framing: 'length' | 'chunked' | 'more' | 'less'
}

/** Node's limit. */
const longestHeadBytes = 16 * 1024

/** The bytes of it. */
export function bytesOf(request: WireRequest): Buffer {
  const { body, framing } = request
  const content = body && framing === 'chunked' ? chunked(body) : (body ?? Buffer.alloc(0))
  return Buffer.concat([Buffer.from(headOf(request), 'latin1'), content])
}

/** Whether it is HTTP as it should be: a server need not understand anything else. */
export function isHttp(request: WireRequest): boolean {
  const { method, target, headers, framing } = request
  return (
    headOf(request).length <= longestHeadBytes &&
    ['GET', 'HEAD', 'POST', 'PUT', 'DELETE', 'PATCH', 'OPTIONS'].includes(method) &&
    /^\/[\x21-\x7e]*$/.test(target) &&
    headers.every(([name, value]) => {
      return /^[\w-]+$/.test(name) && /^[\t\x20-\x7e\x80-\xff]*$/.test(value) && name !== 'expect'
    }) &&
    (framing === 'length' || framing === 'chunked')
  )
}

/** A line for a shell that sends it again. */
export function asCommand(request: WireRequest, port: number): string {
  const text = bytesOf(request)
    .toString('latin1')
    .replace(/[^\w ./:;,=?&*+@<>()[\]{}#^~|-]/g, (character) => {
      return `\\${character.charCodeAt(0).toString(8).padStart(3, '0')}`
    })
    .replaceAll('\\015', '\\r')
    .replaceAll('\\012', '\\n')
    .replace(/([\w/])\1{99,}/g, (run, character) => {
      return `'"$(printf '${character}%.0s' {1..${run.length}})"'`
    })
  return `exec 3<>/dev/tcp/127.0.0.1/${port}; printf -- '${text}' >&3; cat <&3`
}

function headOf({ method, target, headers, body, framing }: WireRequest): string {
  const lines = [
    `${method} ${target} HTTP/1.1`,
    'host: localhost',
    'connection: close',
    ...headers.map(([name, value]) => `${name}: ${value}`),
  ]
  if (body && framing === 'chunked') lines.push('transfer-encoding: chunked')
  else if (body) {
    const off = { length: 0, more: 1 + body.byteLength, less: -Math.ceil(body.byteLength / 2) }
    lines.push(`content-length: ${body.byteLength + off[framing as 'length' | 'more' | 'less']}`)
  }
  return `${lines.join('\r\n')}\r\n\r\n`
}

/** In two chunks. */
function chunked(body: Buffer): Buffer {
  const half = Math.ceil(body.byteLength / 2)
  const pieces = [body.subarray(0, half), body.subarray(half)].filter((one) => one.byteLength > 0)
  const chunks = pieces.flatMap((piece) => [
    Buffer.from(`${piece.byteLength.toString(16)}\r\n`),
    piece,
    Buffer.from('\r\n'),
  ])
  return Buffer.concat([...chunks, Buffer.from('0\r\n\r\n')])
}
