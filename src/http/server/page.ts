/** The API's page: the files of Swagger UI, and two of our own that tell it what to show. */
import { createHash } from 'node:crypto'
import type { FastifyReply, FastifyRequest } from 'fastify'
import { readEmbedded } from '../../embedded.ts'
import type { App } from '../app.ts'
import { documentPath } from '../document.ts'

/** What of Swagger UI the page asks for, with its media type. The build takes the same. */
export const pageFiles: Readonly<Record<string, string>> = {
  'swagger-ui.css': 'text/css; charset=utf-8',
  'index.css': 'text/css; charset=utf-8',
  'swagger-ui-bundle.js': 'text/javascript; charset=utf-8',
  'favicon-16x16.png': 'image/png',
  'favicon-32x32.png': 'image/png',
}

const page = `<!doctype html>
<html lang="en">
  <head>
    <meta charset="utf-8">
    <meta name="viewport" content="width=device-width, initial-scale=1">
    <title>job-orchestrator: API</title>
    <link rel="stylesheet" href="swagger-ui.css">
    <link rel="stylesheet" href="index.css">
    <link rel="icon" type="image/png" href="favicon-32x32.png" sizes="32x32">
    <link rel="icon" type="image/png" href="favicon-16x16.png" sizes="16x16">
  </head>
  <body>
    <div id="swagger-ui"></div>
    <script src="swagger-ui-bundle.js"></script>
    <script src="swagger-initializer.js"></script>
  </body>
</html>
`

const initializer = `window.ui = SwaggerUIBundle({
  url: '..${documentPath}',
  dom_id: '#swagger-ui',
  deepLinking: true,
  validatorUrl: null,
})
`

/**
 * What the page may load: from here alone, for it works offline, and over plain HTTP. Its scripts
 * set styles inline and its style sheet has pictures in it.
 */
const pagePolicy =
  "default-src 'self'; base-uri 'none'; frame-ancestors 'self'; img-src 'self' data:; " +
  "object-src 'none'; style-src 'self' 'unsafe-inline'"

export function pageRoutes(app: App): void {
  const hide = { config: { scope: 'public' }, schema: { hide: true } } as const
  app.get('/swagger', hide, (_request, reply) => reply.redirect('/swagger-ui/'))
  app.get('/swagger-ui', hide, (_request, reply) => reply.redirect('/swagger-ui/'))
  for (const path of ['/swagger-ui/', '/swagger-ui/index.html']) {
    app.get(path, hide, (request, reply) =>
      sendFile(request, reply, 'text/html; charset=utf-8', page),
    )
  }
  app.get('/swagger-ui/swagger-initializer.js', hide, (request, reply) =>
    sendFile(request, reply, 'text/javascript; charset=utf-8', initializer),
  )
  for (const [name, type] of Object.entries(pageFiles)) {
    app.get(`/swagger-ui/${name}`, hide, async (request, reply) =>
      sendFile(request, reply, type, await readEmbedded(name)),
    )
  }
}

/** A browser that has it already asks whether it is still the same. */
function sendFile(
  request: FastifyRequest,
  reply: FastifyReply,
  type: string,
  content: string | Buffer,
): FastifyReply {
  const tag = `"${createHash('sha256').update(content).digest('base64url').slice(0, 22)}"`
  reply.header('etag', tag).header('cache-control', 'no-cache')
  reply.header('content-security-policy', pagePolicy)
  if (request.headers['if-none-match'] === tag) return reply.code(304).send()
  return reply.type(type).send(content)
}
