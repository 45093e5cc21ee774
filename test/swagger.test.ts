/** The API's document, and its page. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { chromium } from 'playwright-core'
import { ensureCommand } from './harness/debian.ts'
import { Lab } from './harness/lab.ts'
import { makeToken } from './harness/tokens.ts'

type Json = Readonly<Record<string, unknown>>
type Operation = {
  readonly summary?: string
  readonly tags?: readonly string[]
  readonly parameters?: readonly { name: string; in: string; required?: boolean; schema: Json }[]
  readonly requestBody?: { readonly content: Json }
  readonly security?: readonly Json[]
  readonly responses: Readonly<Record<string, { description?: string; content?: Json }>>
}
type Document = Json & { readonly paths: Record<string, Record<string, Operation>> }

/** Every endpoint of the server, with every status that it can answer. */
const endpoints: Readonly<Record<string, readonly number[]>> = {
  'get /': [200],
  'get /health': [200],
  'post /upload': [200, 201, 401, 403, 409, 413, 415, 422, 429, 507],
  'get /download/{id}': [200, 401, 403, 404],
  'get /download_partial/{id}': [200, 401, 403, 404],
  'post /terminate/{id}': [200, 202, 401, 403, 404, 409],
  'get /jobs/{id}': [200, 401, 403, 404],
}

/** And what any of them can. */
const anywhere = [400, 408, 414, 431, 500, 503]

/** What a token needs for each; without one named here it needs none. */
const scopes: Readonly<Record<string, string>> = {
  'post /upload': 'submit',
  'get /download/{id}': 'read',
  'get /download_partial/{id}': 'read',
  'post /terminate/{id}': 'terminate',
  'get /jobs/{id}': 'read',
}

async function fetchDocument(address: string): Promise<Document> {
  const response = await fetch(`${address}/api-docs/openapi.json`)
  assert.equal(response.status, 200)
  assert.match(response.headers.get('content-type') ?? '', /^application\/json/)
  return (await response.json()) as Document
}

function operationsOf(document: Document): [string, string, Operation][] {
  return Object.entries(document.paths).flatMap(([path, methods]) =>
    Object.entries(methods)
      .filter(([method]) => method !== 'head')
      .map(([method, operation]): [string, string, Operation] => [method, path, operation]),
  )
}

/** Every object in a document, itself included. */
function* objectsIn(value: unknown): Generator<Json> {
  if (typeof value !== 'object' || value === null) return
  yield value as Json
  for (const inner of Object.values(value)) yield* objectsIn(inner)
}

test('the document is OpenAPI 3.1 and has every endpoint with every status', async () => {
  await using lab = await Lab.create()
  const { api } = await lab.server({ services: { example: ['http://127.0.0.1:9'] } })
  const document = await fetchDocument(api.address)
  assert.match(String(document['openapi']), /^3\.1\.\d$/)
  const { title, version } = document['info'] as Json
  assert.deepEqual([typeof title, typeof version], ['string', 'string'])

  const operations = operationsOf(document)
  const found = operations.map(([method, path, { responses }]) => [
    `${method} ${path}`,
    Object.keys(responses)
      .map(Number)
      .toSorted((a, b) => a - b),
  ])
  const expected = Object.entries(endpoints).map(([endpoint, statuses]) => [
    endpoint,
    [...statuses, ...anywhere].toSorted((a, b) => a - b),
  ])
  assert.deepEqual(Object.fromEntries(found), Object.fromEntries(expected))

  for (const [method, path, operation] of operations) {
    const where = `${method} ${path}`
    assert.ok(operation.summary, where)
    const scope = scopes[where]
    assert.deepEqual(operation.security, scope === undefined ? [] : [{ token: [scope] }], where)
    assert.ok(operation.tags?.length, where)
    const placed = [...path.matchAll(/\{(\w+)\}/g)].map(([, name]) => name)
    const declared = (operation.parameters ?? []).filter((parameter) => parameter.in === 'path')
    assert.deepEqual(
      declared.map(({ name }) => name),
      placed,
      where,
    )
    assert.ok(
      declared.every(({ required }) => required),
      where,
    )
    for (const [status, { description, content }] of Object.entries(operation.responses)) {
      assert.ok(description && description !== 'Default Response', `${where} ${status}`)
      assert.ok(content && Object.keys(content).length > 0, `${where} ${status}`)
    }
  }
  const { securitySchemes } = document['components'] as { securitySchemes: Record<string, Json> }
  const { type, scheme } = securitySchemes['token'] ?? {}
  assert.deepEqual([Object.keys(securitySchemes), type, scheme], [['token'], 'http', 'bearer'])
  const upload = document.paths['/upload']?.['post']?.requestBody?.content
  assert.deepEqual(Object.keys(upload ?? {}), ['multipart/form-data'])
  const headers = document.paths['/upload']?.['post']?.parameters ?? []
  assert.deepEqual(
    headers.map(({ name, in: place, required }) => [name, place, required ?? false]),
    [['Idempotency-Key', 'header', false]],
  )
  const download = document.paths['/download/{id}']?.['get']?.responses['200']?.content
  assert.deepEqual(Object.keys(download ?? {}).toSorted(), ['application/json', 'application/zip'])
})

test('every reference in the document leads somewhere', async () => {
  await using lab = await Lab.create()
  const { api } = await lab.server({ services: { example: ['http://127.0.0.1:9'] } })
  const document = await fetchDocument(api.address)
  let count = 0
  for (const { $ref } of objectsIn(document)) {
    if (typeof $ref !== 'string') continue
    count++
    assert.ok($ref.startsWith('#/'), $ref)
    const target = $ref
      .slice(2)
      .split('/')
      .reduce<unknown>((at, key) => (at as Json | undefined)?.[decodeURIComponent(key)], document)
    assert.equal(typeof target, 'object', `${$ref} leads nowhere`)
  }
  assert.ok(count > 20, `${count} references`)
})

test('/swagger leads to the page', async () => {
  await using lab = await Lab.create()
  const { api } = await lab.server({ services: { example: ['http://127.0.0.1:9'] } })
  const redirect = await fetch(`${api.address}/swagger`, { redirect: 'manual' })
  assert.equal(redirect.status, 302)
  assert.equal(redirect.headers.get('location'), '/swagger-ui/')
  for (const path of ['/swagger', '/swagger-ui', '/swagger-ui/']) {
    const page = await fetch(api.address + path)
    assert.equal(page.status, 200, path)
    assert.match(await page.text(), /<title>job-orchestrator: API<\/title>/, path)
  }
})

test('the page works in a browser, and asks nobody else for anything', async (t) => {
  const missing = await ensureCommand('chromium')
  if (missing !== undefined) return t.skip(missing)
  await using lab = await Lab.create()
  const { api } = await lab.pair()
  await using browser = await chromium.launch({
    executablePath: '/usr/bin/chromium',
    // It would leave settings in the home directory.
    env: { ...process.env, HOME: lab.directory, XDG_CONFIG_HOME: '', XDG_CACHE_HOME: '' },
    args: [
      '--no-sandbox',
      '--disable-gpu',
      '--disable-quic',
      '--no-first-run',
      '--disable-background-networking',
      '--disable-component-update',
      '--disable-sync',
      // Browsers are kinder to 127.0.0.1 than to any other machine.
      '--host-resolver-rules=MAP server.test 127.0.0.1',
    ],
  })
  const origin = api.address.replace('127.0.0.1', 'server.test')
  const page = await browser.newPage()
  const asked: string[] = []
  const complaints: string[] = []
  page.on('request', (request) => asked.push(request.url()))
  page.on('pageerror', (error) => complaints.push(error.message))
  page.on('console', (message) => {
    if (message.type() === 'error') complaints.push(message.text())
  })
  page.on('response', (response) => {
    if (response.status() >= 400) complaints.push(`${response.status()} ${response.url()}`)
  })

  await page.goto(`${origin}/swagger-ui/`)
  await page
    .locator('.opblock')
    .nth(Object.keys(endpoints).length - 1)
    .waitFor()
  const shown = await page.locator('.opblock').evaluateAll((blocks) =>
    blocks.map((block) => {
      const text = (selector: string) => block.querySelector(selector)?.textContent?.trim() ?? ''
      const path = text('.opblock-summary-path').replaceAll('\u200b', '')
      return `${text('.opblock-summary-method').toLowerCase()} ${path}`
    }),
  )
  assert.deepEqual(shown.toSorted(), Object.keys(endpoints).toSorted())

  const health = page.locator('.opblock', {
    has: page.locator('[data-path="/health"]'),
  })
  await health.locator('.opblock-summary').click()
  await health.getByRole('button', { name: 'Try it out' }).click()
  await health.getByRole('button', { name: 'Execute' }).click()
  const live = health.locator('.live-responses-table .response').first()
  assert.match((await live.locator('.response-col_status').textContent()) ?? '', /^200/)
  assert.match((await live.textContent()) ?? '', /"reachable":\s*true/)

  const id = await api.upload('true')
  const token = await makeToken(lab, 'page', 'read')
  await page.getByRole('button', { name: 'Authorize' }).first().click()
  const dialogue = page.locator('.modal-ux')
  await dialogue.locator('input').fill(token)
  await dialogue.getByRole('button', { name: 'Apply credentials' }).click()
  await dialogue.getByRole('button', { name: 'Close' }).click()
  const jobs = page.locator('.opblock', { has: page.locator('[data-path="/jobs/{id}"]') })
  await jobs.locator('.opblock-summary-control').click()
  await jobs.getByRole('button', { name: 'Try it out' }).click()
  await jobs.locator('[data-param-name="id"] input').fill(String(id))
  await jobs.getByRole('button', { name: 'Execute' }).click()
  const told = jobs.locator('.live-responses-table .response').first()
  assert.match((await told.locator('.response-col_status').textContent()) ?? '', /^200/)

  assert.ok(
    asked.some((url) => url === `${origin}/health`),
    asked.join('\n'),
  )
  const elsewhere = asked.filter(
    (url) => !url.startsWith(`${origin}/`) && !/^(data|blob):/.test(url),
  )
  assert.deepEqual(elsewhere, [])
  assert.deepEqual(complaints, [])
})
