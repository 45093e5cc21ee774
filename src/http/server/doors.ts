/**
 * Who comes in. Every route says what it takes to use it, and one that does not is not made; every
 * route with an `:id` is for jobs within reach alone, whatever it does with them.
 */
import type { FastifyRequest } from 'fastify'
import type { Access, Scope } from '../../domain/access.ts'
import { admit, demandScope } from '../../server/admit.ts'
import type { AdmitContext } from '../../server/admit.ts'
import { demandReach } from '../../server/find.ts'
import type { App } from '../app.ts'
import { linger } from '../linger.ts'
import { job } from '../schemas.ts'

declare module 'fastify' {
  interface FastifyContextConfig {
    /** What a token has to have for this route; `public`: none is needed. */
    scope?: Scope | 'public'
  }
  interface FastifyRequest {
    access: Access
    /** Looks once more, after something that took long: @throws Fault `unauthenticated`. */
    admitAgain(): void
  }
}

/** How the document describes tokens. */
export const tokenScheme = {
  type: 'http',
  scheme: 'bearer',
  description:
    'A token that the operator has made with `job-orchestrator token create`. A server that never ' +
    'had one wants none.',
} as const

const refusals = {
  401: job('A token is needed, or this one is not valid (any more); the message says which.'),
  403: job(
    'The token has not the scope, or is of another user or service; or a browser sent it for a page of another site.',
  ),
}

type DoorContext = AdmitContext & { readonly store: Parameters<typeof demandReach>[0] }

/** Has every request looked at, and described, before the routes are made. */
export function guardDoors(app: App, context: DoorContext): void {
  const look = (request: FastifyRequest): Access =>
    admit(context, request.raw.headersDistinct.authorization ?? [], Date.now())
  // Set below before any route may look; until then there is none at all.
  app.decorateRequest('access', null as unknown as Access)
  app.decorateRequest('admitAgain', function (this: FastifyRequest) {
    look(this)
  })

  app.addHook('onRoute', (route) => {
    const scope = route.config?.scope
    if (scope === undefined) throw new Error(`${String(route.method)} ${route.url} has no scope`)
    const { response, ...schema } = route.schema ?? {}
    const isPublic = scope === 'public'
    route.schema = {
      ...schema,
      security: isPublic ? [] : [{ token: [scope] }],
      ...(response !== undefined && {
        response: isPublic ? response : { ...refusals, ...response },
      }),
    }
  })

  // What there is not has no scope, and is told of only to those who are let in.
  app.addHook('onRequest', async (request) => {
    const { scope } = request.routeOptions.config
    if (scope === 'public') return
    try {
      request.access = look(request)
      if (scope !== undefined) demandScope(request.access, scope)
    } catch (error) {
      linger(request.raw)
      throw error
    }
  })

  app.addHook('preHandler', async ({ params, access }) => {
    const { id } = params as { readonly id?: number }
    if (id !== undefined) await demandReach(context.store, access, id)
  })

  app.addHook('onSend', async (request, reply) => {
    const challenge = challengeFor(reply.statusCode, request)
    if (challenge !== undefined) reply.header('www-authenticate', challenge)
  })
}

/** RFC 6750, section 3. */
function challengeFor(status: number, request: FastifyRequest): string | undefined {
  const realm = 'Bearer realm="job-orchestrator"'
  if (status === 401) {
    return request.headers.authorization === undefined ? realm : `${realm}, error="invalid_token"`
  }
  // What is refused before anybody is looked at is not for want of a scope.
  if (status !== 403 || request.access === null) return undefined
  return `${realm}, error="insufficient_scope", scope="${request.routeOptions.config.scope}"`
}
