/** Requests that a browser makes because some page of another site wants it. */
import type { IncomingHttpHeaders } from 'node:http'
import { Fault } from '../domain/errors.ts'

/** They change nothing, and a page of another site cannot read what they are answered with. */
const harmless = new Set(['GET', 'HEAD', 'OPTIONS'])

/**
 * Who has a page of another site open has not asked for a job to be run: a form may be sent to any
 * address, that of this machine too, without asking anybody before.
 *
 * Only browsers send these headers. `Sec-Fetch-Site` says it outright; where a browser sends none,
 * for the way is not encrypted, the page's origin has to be the host that was asked.
 *
 * @throws Fault `forbidden`
 */
export function refuseCrossSite(method: string, headers: IncomingHttpHeaders): void {
  if (harmless.has(method)) return
  const { origin, host } = headers
  const site = headers['sec-fetch-site']
  const isOwn =
    site === undefined
      ? origin === undefined || hostOf(origin) === host?.toLowerCase()
      : site === 'same-origin' || site === 'none'
  if (isOwn) return
  const from = JSON.stringify((origin ?? 'unknown').slice(0, 80))
  throw new Fault(
    'forbidden',
    `a browser sent this for a page of another site (${from}); only pages of this server may. A ` +
      'proxy in front has to pass the Host header on as it comes',
  )
}

function hostOf(origin: string): string | undefined {
  return URL.parse(origin)?.host
}
