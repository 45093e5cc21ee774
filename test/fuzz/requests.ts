/** Requests that a document calls for: as they should be, nearly so, and not at all. */
import * as fc from 'fast-check'
import type { Document, Operation, Parameter } from './document.ts'
import { formOf } from './form.ts'
import type { Form } from './form.ts'
import { hostileText, valueOf } from './values.ts'
import type { Known } from './values.ts'
import type { WireRequest } from './wire.ts'

type Header = readonly [name: string, value: string]

const methods = ['GET', 'HEAD', 'POST', 'PUT', 'DELETE', 'PATCH', 'OPTIONS', 'TRACE', 'get', 'X']

/**
 * @param known values that find something, by names; of `authorization` and other headers too.
 * @param often how many times as often an operation comes, such as `POST /upload`.
 */
export function requestsOf(
  document: Document,
  known: Known,
  often: Readonly<Record<string, number>>,
): fc.Arbitrary<WireRequest> {
  const each = document.operations.map((operation) => ({
    weight: often[`${operation.method} ${operation.path}`] ?? 1,
    arbitrary: requestOf(operation, known),
  }))
  return fc.oneof(
    { weight: 12, arbitrary: fc.oneof(...each) },
    { weight: 1, arbitrary: strangeRequest(document) },
  )
}

function requestOf(operation: Operation, known: Known): fc.Arbitrary<WireRequest> {
  const { parameters = [], requestBody } = operation
  const form = requestBody?.content['multipart/form-data']
  const method = fc.oneof(
    { weight: 15, arbitrary: fc.constant(operation.method) },
    { weight: 1, arbitrary: fc.constantFrom(...methods) },
  )
  return fc
    .record({
      method,
      target: targetOf(operation.path, parameters, known),
      headers: headersOf(parameters, known),
      form: form ? formOf(form.schema, known) : noForm(),
      framing: fc.oneof(
        { weight: 20, arbitrary: fc.constantFrom('length' as const, 'chunked' as const) },
        { weight: 1, arbitrary: fc.constantFrom('more' as const, 'less' as const) },
      ),
    })
    .map(({ form: sent, headers, ...request }) => withForm(request, headers, sent))
}

/** Something else than the document knows. */
function strangeRequest(document: Document): fc.Arbitrary<WireRequest> {
  const paths = document.operations.map(({ path }) => path)
  const target = fc.oneof(
    fc.constantFrom('*', '//', '/?', '/#', '/api-docs', '/%', '/..%2f', 'http://x/', 'x', '/\xff'),
    hostileText().map((text) => `/${text}`),
    fc.tuple(fc.constantFrom(...paths), hostileText()).map(([path, text]) => `${path}/${text}`),
  )
  return fc.record({
    method: fc.constantFrom(...methods),
    target: target.map(bytesAsText),
    headers: headersOf([], {}),
    framing: fc.constant('length' as const),
  })
}

function withForm(
  request: Omit<WireRequest, 'headers' | 'body'>,
  headers: readonly Header[],
  form: Form | undefined,
): WireRequest {
  // Without a body there is no end of it to tell.
  if (!form) return { ...request, headers, framing: 'length' }
  const { contentType, body } = form
  const type: Header[] = contentType === undefined ? [] : [['content-type', contentType]]
  return { ...request, headers: [...headers, ...type], body }
}

/** A body where none is asked for. */
function noForm(): fc.Arbitrary<Form | undefined> {
  const contentType = fc.constantFrom('application/json', 'text/plain', '', undefined)
  const body = fc.constantFrom('{', '[]', '', 'a'.repeat(3_000)).map((text) => Buffer.from(text))
  return fc.oneof(
    { weight: 6, arbitrary: fc.constant(undefined) },
    { weight: 1, arbitrary: fc.record({ contentType, body }) },
  )
}

/** As a value has to be written in a URL, and now and then as it is. */
function written(value: string): fc.Arbitrary<string> {
  return fc.oneof(
    { weight: 12, arbitrary: fc.constant(encodeURIComponent(value.toWellFormed())) },
    { weight: 1, arbitrary: fc.constant(bytesAsText(value)) },
  )
}

function targetOf(
  path: string,
  parameters: readonly Parameter[],
  known: Known,
): fc.Arbitrary<string> {
  const inPath = parameters.filter((one) => one.in === 'path')
  const inQuery = parameters.filter((one) => one.in === 'query')
  const value = ({ name, schema }: Parameter) => valueOf(name, schema, known).chain(written)
  const query = inQuery.map((one) =>
    fc
      .tuple(value(one), fc.constantFrom(0, 1, 1, one.required ? 1 : 0, 2))
      .map(([text, times]) => Array.from({ length: times }, () => `${one.name}=${text}`)),
  )
  const odd = fc.oneof(
    { weight: 12, arbitrary: fc.constant<string[]>([]) },
    { weight: 1, arbitrary: hostileText().map((text) => [bytesAsText(text)]) },
  )
  return fc
    .tuple(fc.tuple(...inPath.map(value)), fc.tuple(...query), odd)
    .map(([values, queries, more]) => {
      const filled = inPath.reduce(
        (text, { name }, at) => text.replace(`{${name}}`, () => values[at] ?? ''),
        path,
      )
      const asked = [...queries.flat(), ...more].join('&')
      return asked === '' ? filled : `${filled}?${asked}`
    })
}

function headersOf(parameters: readonly Parameter[], known: Known): fc.Arbitrary<Header[]> {
  const own = parameters
    .filter((one) => one.in === 'header')
    .map(({ name, schema }) =>
      fc.option(valueOf(name, schema, known).map((value): Header => [name, bytesAsText(value)])),
    )
  const authorization = known['authorization']
    ? fc.constantFrom(...known['authorization']).map((value): Header => ['authorization', value])
    : fc.constant(null)
  const odd = fc.oneof(
    { weight: 15, arbitrary: fc.constant(null) },
    {
      weight: 1,
      arbitrary: fc.oneof(
        hostileText().map((text): Header => ['x-any', bytesAsText(text)]),
        fc.constantFrom<Header>(
          ['authorization', 'Bearer x'],
          ['authorization', 'Basic eDp4'],
          ['accept', '\xff'],
          ['content-encoding', 'gzip'],
          ['expect', '100-continue'],
          ['expect', 'nothing'],
          ['if-none-match', '*'],
          ['range', 'bytes=0-0'],
          ['origin', 'https://elsewhere.example'],
          ['x-forwarded-for', '127.0.0.1'],
          ['x-long', 'a'.repeat(17_000)],
          ['bad name', 'x'],
          ['cookie', 'a=b; c'],
        ),
      ),
    },
  )
  return fc
    .tuple(authorization, odd, ...own)
    .map((all) => all.filter((one): one is Header => one !== null))
}

/** UTF-8, a character for each byte: heads are written so. */
function bytesAsText(value: string): string {
  return Buffer.from(value).toString('latin1')
}
