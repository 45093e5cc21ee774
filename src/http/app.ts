/** What the HTTP servers of both modes have in common. */
import { fastify } from 'fastify'
import type { FastifyError, FastifyReply, FastifyRequest } from 'fastify'
import type { TypeBoxTypeProvider } from '@fastify/type-provider-typebox'
import { Fault, asFault } from '../domain/errors.ts'
import type { JobReply } from '../domain/protocol.ts'
import { JobReply as JobSchema, MessageReply } from '../domain/protocol.ts'
import type { Log } from '../log.ts'
import { statusOf } from './status.ts'

export type App = ReturnType<typeof createApp>

/** Seconds after which a refusal "for now" may be otherwise. */
const retryAfterSeconds = 1

/** A Fastify instance that answers every error in the one shape, and knows `multipart/form-data`. */
export function createApp(log: Log) {
  const app = fastify({
    logger: false,
    // No limit on the time of a whole request: an upload may be slow.
    requestTimeout: 0,
    routerOptions: { maxParamLength: 200 },
    ajv: { customOptions: { removeAdditional: false } },
  }).withTypeProvider<TypeBoxTypeProvider>()
  app.addSchema(JobSchema)
  app.addSchema(MessageReply)
  // The body is parsed by the step that wants it, part by part.
  app.addContentTypeParser('multipart/form-data', (_request, _body, done) => done(null))
  app.setErrorHandler((error: FastifyError, request, reply) =>
    replyError(log, error, request, reply),
  )
  app.setNotFoundHandler((request, reply) => {
    const message = `there is no ${request.method} ${request.url.split('?')[0]} here`
    return reply.code(404).send(refusal(message))
  })
  app.addHook('onResponse', async (request, reply) => {
    log.debug(
      { status: reply.statusCode, ms: Math.round(reply.elapsedTime) },
      `${request.method} ${request.url}`,
    )
  })
  return app
}

function refusal(message: string): JobReply {
  return { id: 0, status: 'Unknown', message }
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
  } else if (status === 507) log.error(`${request.method} ${request.url}: ${message}`)
  if (status === 503) reply.header('retry-after', retryAfterSeconds)
  return reply.code(status).send(refusal(message))
}

function describe(error: unknown): { status: number; message: string } {
  if (error instanceof Fault) return { status: statusOf[error.code], message: error.message }
  // What Fastify refuses by itself: a malformed id, a body of another type, a broken header.
  const { statusCode, code, message } = error as Partial<FastifyError>
  if (code === 'FST_ERR_CTP_INVALID_MEDIA_TYPE') {
    return { status: 415, message: 'the body must be multipart/form-data' }
  }
  if (statusCode !== undefined && statusCode >= 400 && statusCode < 500) {
    return { status: statusCode, message: message ?? 'the request is wrong' }
  }
  return { status: 500, message: 'internal' }
}
