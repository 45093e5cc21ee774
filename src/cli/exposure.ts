/** Closed by default: others are listened to only with credentials, or where one says so. */
import { lookup } from 'node:dns/promises'
import { BlockList, isIPv6 } from 'node:net'
import { StartError, starting } from './start-error.ts'

const loopback = new BlockList()
loopback.addSubnet('127.0.0.0', 8)
loopback.addAddress('::1', 'ipv6')

/** Whether only this machine can reach an address. */
export function isLoopback(address: string): boolean {
  // The zone of an IPv6 address is of no account here.
  const [bare = address] = address.split('%')
  return loopback.check(bare, isIPv6(bare) ? 'ipv6' : 'ipv4')
}

export type Exposure = {
  readonly host: string
  readonly port: number
  /** `--insecure`: something in front protects what listens. */
  readonly isInsecure: boolean
  /** Whether who comes has to prove who it is. */
  readonly hasCredentials: boolean
  /** How credentials are made. */
  readonly advice: string
}

/**
 * Whether others than this machine can reach what listens.
 *
 * @throws StartError if there is no such host.
 */
export async function isReachedByOthers({
  host,
  port,
}: Pick<Exposure, 'host' | 'port'>): Promise<boolean> {
  const found = await starting(`cannot listen on ${host}:${port}`, () =>
    lookup(host, { all: true }),
  )
  return !found.every(({ address }) => isLoopback(address))
}

/**
 * Lets nobody listen where others can reach it, without credentials and unless that was said.
 *
 * @throws StartError
 */
export async function refuseExposure(exposure: Exposure): Promise<void> {
  const { host, port, isInsecure, hasCredentials, advice } = exposure
  if (isInsecure || hasCredentials || !(await isReachedByOthers(exposure))) return
  throw new StartError(
    `cannot listen on ${host}:${port}: who reaches it there could run scripts as this user. ` +
      `${advice}, or, if something in front protects it, say --insecure`,
  )
}
