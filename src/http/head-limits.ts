/** How much the head of a request may be, and how long it may take to come. */
import type { IncomingMessage, ServerOptions } from 'node:http'
import { Fault } from '../domain/errors.ts'

/** Request line and headers together. */
export const mostHeadBytes = 16 * 1024
/** Path and query. */
const longestUrlBytes = 8 * 1024
const mostHeaders = 100

/** So often it is looked for heads that take too long. */
const longestLookMs = 5_000

/** What Node.js has to know of it. */
export function headOptions(headersTimeoutMs: number): ServerOptions {
  return {
    maxHeaderSize: mostHeadBytes,
    headersTimeout: headersTimeoutMs,
    connectionsCheckingInterval: Math.min(longestLookMs, Math.ceil(headersTimeoutMs / 4)),
    // Seen to below, with a word of explanation.
    requireHostHeader: false,
  }
}

/** @throws Fault `long_url`, `large_head`, `invalid` */
export function checkHead({ url = '', rawHeaders, httpVersion }: Head): void {
  if (url.length > longestUrlBytes) {
    throw new Fault('long_url', `the URL is longer than ${longestUrlBytes} bytes`)
  }
  // What Node.js would leave out silently is counted, too.
  if (rawHeaders.length > 2 * mostHeaders) {
    throw new Fault('large_head', `there are more than ${mostHeaders} headers`)
  }
  const hosts = rawHeaders.filter((name, at) => at % 2 === 0 && /^host$/i.test(name)).length
  if (hosts > 1 || (hosts === 0 && httpVersion !== '1.0')) {
    throw new Fault('invalid', 'there must be one Host header')
  }
}

type Head = Pick<IncomingMessage, 'url' | 'rawHeaders' | 'httpVersion'>
