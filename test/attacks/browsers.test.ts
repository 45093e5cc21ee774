/** A page of another site, open in the browser of somebody who may reach the server. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Lab } from '../harness/lab.ts'
import { jobsOnDisk } from '../harness/left.ts'
import { field, file, formType, multipart, send } from '../harness/raw.ts'
import { makeToken } from '../harness/tokens.ts'

const upload = multipart([
  field('user_id', '1'),
  field('service', 'example'),
  file('run.sh', 'true'),
])

/** What browsers say of such a page; the last two over ways that are not encrypted. */
const foreign: readonly Readonly<Record<string, string>>[] = [
  { origin: 'https://evil.example', 'sec-fetch-site': 'cross-site' },
  { origin: 'http://127.0.0.1:1', 'sec-fetch-site': 'same-site' },
  { 'sec-fetch-site': 'cross-site' },
  { origin: 'http://evil.example' },
  { origin: 'null' },
]

test('a form on a page of another site sends no job, and ends none', async () => {
  await using lab = await Lab.create()
  const { api, client } = await lab.pair()
  const id = await api.upload('sleep 60')
  for (const headers of foreign) {
    const what = JSON.stringify(headers)
    const all = { 'content-type': formType, ...headers }
    for (const url of [`${api.address}/upload`, `${client.address}/submit`]) {
      const { status, body } = await send('POST', url, all, upload)
      assert.equal(status, 403, what)
      assert.match(body.toString(), /a page of another site/)
    }
    assert.equal((await send('POST', `${api.address}/terminate/${id}`, headers)).status, 403, what)
    assert.equal((await send('POST', `${client.address}/drain`, headers)).status, 403, what)
  }
  assert.deepEqual((await jobsOnDisk(lab)).jobs, [String(id)])
  assert.equal(
    (await send('GET', `${client.address}/drain`)).body.toString().includes('true'),
    false,
  )
})

test('the page of the server itself, and what is no browser, may do it', async () => {
  await using lab = await Lab.create()
  const { api } = await lab.server({ services: { example: ['http://127.0.0.1:1'] } })
  for (const own of [
    { origin: api.address },
    { origin: 'https://proxied.example', 'sec-fetch-site': 'same-origin' },
    { 'sec-fetch-site': 'none' },
    {},
  ]) {
    const headers = { 'content-type': formType, ...own }
    const { status, body } = await send('POST', `${api.address}/upload`, headers, upload)
    assert.equal(status, 201, body.toString())
  }
})

test('no page of another site can read, embed or frame any answer, errors included', async () => {
  await using lab = await Lab.create()
  const { api, client } = await lab.pair()
  const { id } = await api.run('true')
  const asked = { origin: 'https://evil.example', 'access-control-request-method': 'POST' }
  const server = ['/', '/health', `/jobs/${id}`, `/download/${id}`, `/download_partial/${id}`]
  const wrong = [
    '/nosuch',
    '/jobs/999',
    '/jobs/x',
    '/%zz',
    `/jobs/${'1'.repeat(3_000)}`,
    '/jobs/%00',
  ]
  const pages = [
    '/swagger',
    '/swagger-ui/',
    '/swagger-ui/swagger-ui-bundle.js',
    '/api-docs/openapi.json',
  ]
  const urls = [
    ...[...server, ...wrong, ...pages].map((path) => api.address + path),
    ...['/', '/health', '/load', '/drain', '/retrieve/1', ...wrong].map(
      (path) => client.address + path,
    ),
  ]
  for (const url of urls) {
    for (const method of ['GET', 'HEAD', 'OPTIONS', 'POST']) {
      const { headers } = await send(method, url, asked)
      const what = `${method} ${url.slice(0, 80)}`
      const cors = Object.keys(headers).filter((name) => name.startsWith('access-control-'))
      assert.deepEqual(cors, [], what)
      assert.equal(headers['x-content-type-options'], 'nosniff', what)
      assert.equal(headers['cross-origin-resource-policy'], 'same-origin', what)
      assert.match(
        String(headers['content-security-policy']),
        /frame-ancestors '(none|self)'/,
        what,
      )
      assert.match(String(headers['content-security-policy']), /^default-src '(none|self)'/, what)
      assert.match(String(headers['cache-control']), /^no-(store|cache)$/, what)
    }
  }
})

test('a download is a file to be kept, of a name that we chose, never a page', async () => {
  await using lab = await Lab.create()
  const { api } = await lab.pair()
  const { id } = await api.run({ 'run.sh': 'true', '"><script>.html': '<script>1</script>' })
  for (const path of [`/download/${id}`, `/download_partial/${id}`]) {
    const { headers } = await send('GET', api.address + path)
    assert.equal(headers['content-type'], 'application/zip')
    assert.equal(headers['content-disposition'], `attachment; filename="job-${id}.zip"`)
    assert.equal(headers['cache-control'], 'no-store')
  }
  const token = await makeToken(lab, 'portal')
  const refused = await send('GET', `${api.address}/download/${id}`, { accept: 'text/html' })
  assert.equal(refused.status, 401)
  assert.match(String(refused.headers['content-type']), /^application\/json/)
  assert.ok(token)
})
