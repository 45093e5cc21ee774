import type { AddressInfo } from 'node:net'
import type { App } from '../http/app.ts'
import { isSecure } from '../http/secure.ts'
import type { Log } from '../log.ts'
import { isLoopback } from './exposure.ts'
import type { Exposure } from './exposure.ts'
import { starting } from './start-error.ts'

/** Requests under way may take so long to finish when the program stops. */
const finishMs = 10_000

/**
 * Listens, and warns where others may reach it who need no credentials.
 *
 * @returns the address as it is, with the port that was taken.
 * @throws StartError if it cannot be had.
 */
export async function listen(
  app: App,
  { host, port, hasCredentials }: Pick<Exposure, 'host' | 'port' | 'hasCredentials'>,
  log: Log,
): Promise<string> {
  await starting(`cannot listen on ${host}:${port}`, () => app.listen({ host, port }))
  // Fastify says 127.0.0.1 where it listens on all addresses.
  const { address, family, port: taken } = app.server.address() as AddressInfo
  const isIpv6 = family === 'IPv6'
  if (!hasCredentials && !isLoopback(address)) {
    log.warn(`${address} is not this machine's alone: who reaches it can run scripts as this user`)
  }
  return `${isSecure(app.server) ? 'https' : 'http'}://${isIpv6 ? `[${address}]` : address}:${taken}`
}

/** Takes no more requests, and waits for those under way, but not for ever. */
export async function closeApp(app: App): Promise<void> {
  const timer = setTimeout(() => app.server.closeAllConnections(), finishMs)
  try {
    await app.close()
  } finally {
    clearTimeout(timer)
  }
}
