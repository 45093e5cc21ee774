/** Connections to clients, with TLS where their addresses say so. */
import { createSecureContext, getCACertificates } from 'node:tls'
import { buildConnector } from 'undici'
import type { Tls } from '../trust/certificates.ts'
import type { Current } from '../trust/from-files.ts'

const connectMs = 5_000

/** Errors of connections that were never made. */
const unmade = new WeakSet<Error>()

/** Whether it failed before there was a connection, TLS and all, so that nothing was sent on it. */
export function hasFailedToConnect(error: unknown): boolean {
  return error instanceof Error && unmade.has(error)
}

/**
 * Connects. A client's certificate is held against the authorities; ours, if there is one, is shown
 * to clients that want to see it. What is connected stays so when they change.
 */
export function tlsConnector(tls: Current<Tls>): buildConnector.connector {
  const plain = buildConnector({ timeout: connectMs })
  let secure: buildConnector.connector | undefined
  tls.onChange(() => (secure = undefined))
  return (options, callback) => {
    const connect = options.protocol === 'https:' ? (secure ??= secureConnector(tls.value)) : plain
    connect(options, (...[error, socket]) => {
      if (error) {
        unmade.add(error)
        callback(error, null)
      } else callback(null, socket)
    })
  }
}

/** The authorities are read once, not for every connection. */
function secureConnector({ identity, ca }: Tls): buildConnector.connector {
  const secureContext = createSecureContext({
    ca: ca ?? systemAuthorities(),
    ...(identity && { cert: identity.cert, key: identity.key }),
  })
  return buildConnector({ timeout: connectMs, secureContext })
}

/** Where the system has none, those that Node.js brings. */
function systemAuthorities(): string[] {
  const authorities = getCACertificates('system')
  return authorities.length > 0 ? authorities : getCACertificates('default')
}
