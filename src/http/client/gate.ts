/** Lets only servers in that know the cluster secret. */
import type { IncomingMessage } from 'node:http'
import { Fault } from '../../domain/errors.ts'
import type { Part } from '../../domain/part.ts'
import { keyHeader } from '../../domain/protocol.ts'
import type { Proof, Verifier } from '../../trust/verifier.ts'
import type { App } from '../app.ts'
import { linger } from '../linger.ts'
import { readParts } from '../multipart.ts'
import type { BodyLimits } from '../multipart.ts'
import { job } from '../schemas.ts'
import { sealedParts } from './sealed-parts.ts'

/** Whether there is a client, and how it is, anybody may know who can reach it. */
const open = new Set<string | undefined>(['/', '/health'])

/** How the document describes signatures. */
export const secretScheme = {
  type: 'http',
  scheme: 'Job-Orchestrator',
  description: 'A signature, made with the cluster secret, of what the request is.',
} as const

const refused = { 401: job('It is not signed as it should be; the message says why.') }

/** Reads the body of a submission. */
export type ReadBody = (request: IncomingMessage) => AsyncIterable<Part>

/**
 * Puts the gate before all routes, those that there are not too.
 *
 * @returns how bodies are read behind it.
 */
export function addGate(app: App, verifier: Verifier, limits: BodyLimits): ReadBody {
  app.addHook('onRoute', (route) => {
    const { response, ...schema } = route.schema ?? {}
    if (open.has(route.url) || response === undefined) return
    route.schema = {
      ...schema,
      security: [{ clusterSecret: [] }],
      response: { ...refused, ...response },
    }
  })
  const proofs = new WeakMap<IncomingMessage, Proof>()
  app.addHook('onRequest', async ({ raw, routeOptions }) => {
    if (open.has(routeOptions.url)) return
    try {
      proofs.set(raw, verifier.verify(arrivalOf(raw)))
    } catch (error) {
      // Who is still sending is to be able to read why.
      linger(raw)
      throw error
    }
  })
  app.addHook('onError', async (_request, reply, error: unknown) => {
    if (!(error instanceof Fault) || error.code !== 'unauthenticated') return
    reply.header('www-authenticate', verifier.challenge)
  })
  return (raw) => {
    const proof = proofs.get(raw)
    if (!proof) throw new Fault('unauthenticated', 'it did not come through the gate')
    return sealedParts(readParts(raw, limits), proof, (why) => {
      return verifier.refuse(arrivalOf(raw), 'body', why)
    })
  }
}

function arrivalOf({ method = '', url = '', headers, socket }: IncomingMessage) {
  const key = headers[keyHeader]
  return {
    method,
    path: url,
    key: typeof key === 'string' ? key : '',
    authorization: headers.authorization,
    from: socket.remoteAddress ?? 'nobody',
  }
}
