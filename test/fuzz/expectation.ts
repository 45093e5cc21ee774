/** What an answer has to be: what the API's own document says, and nothing else. */
import assert from 'node:assert/strict'
import type { Document, Operation } from './document.ts'
import type { Answer } from './exchange.ts'
import { isHttp } from './wire.ts'
import type { WireRequest } from './wire.ts'

/** What may be said of what the document does not know. */
const refusals = new Set([400, 401, 403, 404, 413, 414, 431])

/** The only answers from 500 on that say nothing bad of the program itself. */
const legitimate = new Set([503, 507])

/** @throws AssertionError when it is not what was described. */
export function assertDescribed(
  document: Document,
  request: WireRequest,
  answer: Answer | undefined,
): void {
  if (!answer) {
    assert.ok(!isHttp(request), 'the connection was closed without an answer')
    return
  }
  const { status } = answer
  assert.ok(status > 0, 'the answer is not HTTP')
  assert.ok(status < 500 || legitimate.has(status), `answered with ${status}: ${said(answer)}`)
  if (!isHttp(request)) {
    // The document is for who speaks HTTP; all others are refused in the one shape, if they are.
    const isRight = status < 400 || request.method === 'HEAD' || document.is('Job', json(answer))
    assert.ok(isRight, `answered with ${status}: ${said(answer)}`)
    return
  }
  const operation = document.find(request.method, request.target)
  if (operation?.responses[status]) assertContent(document, operation, request.method, answer)
  else {
    const what = operation ? `${operation.method} ${operation.path}` : 'what there is not'
    assert.ok(
      !operation && refusals.has(status),
      `${what} was answered with ${status}, undescribed: ${said(answer)}`,
    )
    if (request.method !== 'HEAD') assert.ok(document.is('Job', json(answer)), said(answer))
  }
}

function assertContent(
  document: Document,
  { responses }: Operation,
  method: string,
  answer: Answer,
): void {
  const { status, headers, body } = answer
  const content = responses[status]?.content
  const [type = ''] = (headers.get('content-type') ?? '').split(';')
  if (content === undefined) {
    assert.equal(body.byteLength, 0, `${status} has a body: ${said(answer)}`)
    return
  }
  const described = content[type]
  assert.ok(described, `${status} came as ${JSON.stringify(type)}: ${said(answer)}`)
  if (method === 'HEAD') return
  if (type === 'application/zip') assert.equal(body.toString('latin1', 0, 2), 'PK')
  else if (type === 'application/json') {
    assert.ok(document.isValid(described.schema, json(answer)), `${status}: ${said(answer)}`)
  }
}

function json({ body }: Answer): unknown {
  try {
    return JSON.parse(body.toString()) as unknown
  } catch {
    return undefined
  }
}

function said({ body }: Answer): string {
  return JSON.stringify(body.toString('latin1', 0, 400))
}
