/** The document of an API (OpenAPI 3.1), made of the schemas of its routes. */
import fastifySwagger from '@fastify/swagger'
import type { App } from './app.ts'

/** Where it is. */
export const documentPath = '/api-docs/openapi.json'

/** What it says beside the routes. */
export type Description = {
  readonly title: string
  readonly description: string
  readonly version: string
  readonly tags?: { name: string; description: string }[]
  readonly securitySchemes?: Record<string, Scheme>
}

type Scheme = { readonly type: 'http'; readonly scheme: string; readonly description: string }

/** Has the document made, of all routes that are made after this. */
export async function describeRoutes(app: App, described: Description): Promise<void> {
  const { tags = [], securitySchemes = {}, ...info } = described
  await app.register(fastifySwagger, {
    openapi: {
      openapi: '3.1.0',
      info: { ...info, license: { name: 'MIT', identifier: 'MIT' } },
      servers: [{ url: '/' }],
      components: { securitySchemes },
      tags,
    },
    refResolver: {
      buildLocalReference: ({ $id }, _base, _fragment, index) =>
        typeof $id === 'string' ? $id : `schema-${index}`,
    },
  })
  app.get(documentPath, { config: { scope: 'public' }, schema: { hide: true } }, () =>
    app.swagger(),
  )
}
