/** Listening with TLS. */
import type { Server as HttpServer, ServerOptions } from 'node:http'
import type { SecureContextOptions, Server as TlsServer, TlsOptions } from 'node:tls'
import type { Log } from '../log.ts'
import type { Tls } from '../trust/certificates.ts'
import type { Current } from '../trust/from-files.ts'

export type Secure = {
  readonly tls: Current<Tls>
  /** Whether who connects has to show a certificate of the authority, if one is given. */
  readonly demandsCertificate: boolean
}

/** So long somebody may take to say who he is. */
const handshakeMs = 10_000

/** Kinds of failures that are told in the log. */
const mostTold = 100

/**
 * What Fastify needs to listen, with TLS where there is a certificate to show.
 *
 * @param http what Node.js needs in either case.
 */
export function listenOptions(http: ServerOptions, secure: Secure | undefined): object {
  if (!secure?.tls.value.identity) return { http }
  const demands = secure.demandsCertificate && secure.tls.value.ca !== null
  const https: ServerOptions & TlsOptions = {
    ...http,
    ...contextOf(secure.tls.value),
    requestCert: demands,
    rejectUnauthorized: demands,
    handshakeTimeout: handshakeMs,
  }
  return { https }
}

/** Takes a new certificate for what connects from then on, and says why a connection failed. */
export function followTls(server: HttpServer, { tls }: Secure, log: Log): void {
  if (!isSecure(server)) return
  tls.onChange((now) => server.setSecureContext(contextOf(now)))
  const told = new Set<string>()
  server.on('tlsClientError', (error, socket) => {
    // A socket whose certificate was refused is gone by now, address and all.
    const { authorizationError, remoteAddress = 'somebody' } = socket
    const what = String(authorizationError ?? ('reason' in error ? error.reason : error.message))
    const news = `${what} ${remoteAddress}`
    if (told.has(news) || told.size >= mostTold) return
    told.add(news)
    const whose = authorizationError ? ': its certificate is no good to TLS_CA' : ''
    log.warn(`a TLS connection from ${remoteAddress} was refused${whose}: ${what}`)
  })
}

/** Whether a server listens with TLS. */
export function isSecure(server: HttpServer): server is HttpServer & TlsServer {
  return 'setSecureContext' in server
}

function contextOf({ identity, ca }: Tls): SecureContextOptions {
  return {
    ...(identity && { cert: identity.cert, key: identity.key }),
    ...(ca !== null && { ca }),
  }
}
