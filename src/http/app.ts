/** What the HTTP servers of both modes have in common. */
import { fastify } from 'fastify'
import type { FastifyError, FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import type { TypeBoxTypeProvider } from '@fastify/type-provider-typebox'
import { Fault, asFault, isOfDisk } from '../domain/errors.ts'
import type { JobReply } from '../domain/protocol.ts'
import { JobReply as JobSchema, MessageReply } from '../domain/protocol.ts'
import { maskTokens } from '../domain/token.ts'
import type { Log } from '../log.ts'
import { Unanswered, refuseBroken, refuseExpectations } from './broken-requests.ts'
import { refuseCrossSite } from './cross-site.ts'
import { checkHead, headOptions } from './head-limits.ts'
import { linger } from './linger.ts'
import { safeHeaders } from './safe-headers.ts'
import { followTls, listenOptions } from './secure.ts'
import type { Secure } from './secure.ts'
import { retryAfterSeconds, statusOf } from './status.ts'

export type App = ReturnType<typeof createApp>

export type AppOptions = {
  /** For who asks for what there is not. */
  readonly hint?: string
  /** How it listens with TLS, if it does. */
  readonly secure?: Secure
  /** So long the head of a request may take to come. */
  readonly headersTimeoutMs: number
}

/** A Fastify instance that answers every error in the one shape, and leaves bodies alone. */
export function createApp(log: Log, { hint = '', secure, headersTimeoutMs }: AppOptions) {
  const unanswered = new Unanswered()
  const app = fastify({
    logger: false,
    // No limit on the time of a whole request: an upload may be slow.
    requestTimeout: 0,
    clientErrorHandler: (error, socket) => {
      log.debug({ err: error }, `a connection from ${socket.remoteAddress} was cut: ${error.code}`)
      refuseBroken(error, socket, unanswered, headersTimeoutMs)
    },
    routerOptions: { maxParamLength: 2_000 },
    frameworkErrors: (error, request, reply) => void replyError(log, error, request, reply),
    ajv: { customOptions: { removeAdditional: false } },
    // Its own refusal has another shape than ours.
    return503OnClosing: false,
    ...listenOptions(headOptions(headersTimeoutMs), secure),
  }).withTypeProvider<TypeBoxTypeProvider>()
  if (secure) followTls(app.server, secure, log)
  refuseExpectations(app.server)
  app.addHook('onRequest', async ({ raw }, reply) => {
    reply.headers(safeHeaders)
    unanswered.add(reply.raw)
    checkHead(raw)
    refuseCrossSite(raw.method ?? '', raw.headers)
  })
  refuseWhileStopping(app)
  app.addSchema(JobSchema)
  app.addSchema(MessageReply)
  // A body is parsed by the step that wants it, part by part; to all others it means nothing.
  app.removeAllContentTypeParsers()
  app.addContentTypeParser('*', (_request, _body, done) => done(null))
  // Fastify would refuse a Content-Type that is none, also of a body that nobody reads.
  app.addHook('onRequest', async (request) => {
    request.headers = { 'content-type': undefined }
  })
  app.addHook('preValidation', async (request) => checkId(request.params))
  app.setErrorHandler((error: FastifyError, request, reply) =>
    replyError(log, error, request, reply),
  )
  app.setNotFoundHandler((request, reply) => {
    const message = `there is no ${request.method} ${request.url.split('?')[0]} here${hint}`
    return reply.code(404).send(refusal(message))
  })
  app.addHook('onResponse', async (request, reply) => {
    // A body that nobody wanted may be endless.
    linger(request.raw)
    log.debug(
      { status: reply.statusCode, ms: Math.round(reply.elapsedTime) },
      `${request.method} ${request.url}`,
    )
  })
  return app
}

/** Before it is made a number: `0x1`, `1e0` and `1.0` are no ids. */
function checkId(params: unknown): void {
  const id = (params as { id?: unknown }).id
  if (typeof id !== 'string') return
  if (!/^[1-9]\d{0,15}$/.test(id) || !Number.isSafeInteger(Number(id))) {
    throw new Fault('invalid', `the id must be a positive integer, not ${JSON.stringify(id)}`)
  }
}

/** What comes on connections that are there already, while requests under way are finished. */
function refuseWhileStopping(app: FastifyInstance): void {
  let isStopping = false
  app.addHook('preClose', async () => {
    isStopping = true
  })
  app.addHook('onRequest', async (_request, reply) => {
    if (!isStopping) return
    // A route may have another shape for its own 503.
    reply.code(503).header('retry-after', retryAfterSeconds.busy).serializer(JSON.stringify)
    return reply.type('application/json').send(refusal('this program is stopping'))
  })
}

/** What is quoted of a request may be a token in the wrong place. */
function refusal(message: string): JobReply {
  return { id: 0, status: 'Unknown', message: maskTokens(message) }
}

function replyError(
  log: Log,
  thrown: FastifyError,
  request: FastifyRequest,
  reply: FastifyReply,
): FastifyReply | undefined {
  const error = asFault(thrown)
  if (request.raw.socket.destroyed) {
    log.debug({ err: error }, `${request.method} ${request.url} was broken off`)
    return
  }
  const { status, message } = describe(error)
  if (status >= 500 && !(error instanceof Fault)) {
    log.error({ err: error }, `${request.method} ${request.url} met an unforeseen fault`)
  } else if (isOfDisk(error) && error.cause !== undefined) {
    // One that is not the disk's own but MIN_FREE_SPACE's was told when that began.
    log.error({ err: error.cause }, `${request.method} ${request.url}: ${message}`)
  }
  const code = error instanceof Fault ? error.code : undefined
  // Who does not go on is not waited for.
  if (code === 'timed_out') reply.header('connection', 'close')
  // Who is still sending would have its connection reset, and never see why, if it were closed now;
  // `linger` sees to its end.
  else if (!request.raw.complete) reply.raw.shouldKeepAlive = true
  const seconds = code && retryAfterSeconds[code]
  if (seconds !== undefined) reply.header('retry-after', seconds)
  return reply.headers(safeHeaders).code(status).send(refusal(message))
}

function describe(error: unknown): { status: number; message: string } {
  if (error instanceof Fault) return { status: statusOf[error.code], message: error.message }
  // What Fastify refuses by itself: a malformed URL, a parameter that is not what it should be.
  const { statusCode, message } = error as Partial<FastifyError>
  if (statusCode !== undefined && statusCode >= 400 && statusCode < 500) {
    return { status: statusCode, message: message ?? 'the request is wrong' }
  }
  return { status: 500, message: 'internal' }
}
