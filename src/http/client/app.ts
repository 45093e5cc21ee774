/** The client's HTTP API. */
import type { IncomingMessage } from 'node:http'
import { ClientHealth, DrainReply, KeyReply, PayloadReply } from '../../domain/protocol.ts'
import { serverOf } from '../../domain/payload.ts'
import type { Tls } from '../../trust/certificates.ts'
import type { Current } from '../../trust/from-files.ts'
import type { Verifier } from '../../trust/verifier.ts'
import { createApp } from '../app.ts'
import type { App } from '../app.ts'
import { describeRoutes } from '../document.ts'
import { readParts } from '../multipart.ts'
import type { BodyLimits } from '../multipart.ts'
import { drainRoutes } from './drain.ts'
import { eventRoute } from './events.ts'
import { addGate, secretScheme } from './gate.ts'
import { healthRoutes } from './health.ts'
import { keyRoutes } from './keys.ts'
import { payloadRoutes } from './payloads.ts'
import type { ClientSteps } from './steps.ts'
import { submitRoute } from './submit.ts'

/** A file's name and what is around it. */
const mostBytesBesideFile = 4 * 1024
/** The options, the seal, and what a server of 2.2.3 may send beside files. */
const sparePieces = 4 * 1024

/**
 * @param tls what it listens with.
 * @param verifier lets in who knows the cluster secret; without one, everybody comes in.
 */
export async function createClientApp(
  steps: ClientSteps,
  tls: Current<Tls>,
  verifier?: Verifier,
): Promise<App> {
  const hint = '; this is a client: applications talk to the server'
  const secure = { tls, demandsCertificate: true }
  const app = createApp(steps.log, { hint, secure, headersTimeoutMs: steps.headersTimeoutMs })
  await describeRoutes(app, {
    title: 'job-orchestrator client',
    description: 'Runs what servers send, and gives the results to them alone.',
    version: steps.version,
    ...(verifier && { securitySchemes: { clusterSecret: secretScheme } }),
  })
  const limits = limitsOf(steps)
  const readBody = verifier
    ? addGate(app, verifier, limits)
    : (raw: IncomingMessage) => readParts(raw, limits)
  app.addSchema(PayloadReply)
  app.addSchema(KeyReply)
  app.addSchema(ClientHealth)
  app.addSchema(DrainReply)
  // Whoever names a key is in touch; after validation, so it is one.
  app.addHook('preHandler', async ({ params }) => {
    const { key, keys } = params as { key?: string; keys?: string }
    for (const one of key === undefined ? (keys?.split(',') ?? []) : [key]) {
      steps.contacts.touch(serverOf(one))
    }
  })
  healthRoutes(app, steps)
  submitRoute(app, steps, readBody)
  payloadRoutes(app, steps)
  keyRoutes(app, steps)
  eventRoute(app, steps)
  drainRoutes(app, steps)
  return app
}

/** What its files are in all is counted as they come; this is for all else that a body may have. */
function limitsOf({ maxPayloadBytes, maxUploadFiles, bodyTimeoutMs }: ClientSteps): BodyLimits {
  return {
    mostBytes: maxPayloadBytes + (maxUploadFiles + sparePieces) * mostBytesBesideFile,
    mostBytesName: 'MAX_UPLOAD_SIZE, and 4 KiB for each of MAX_UPLOAD_FILES files',
    mostFiles: maxUploadFiles,
    timeoutMs: bodyTimeoutMs,
  }
}
