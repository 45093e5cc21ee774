/** Every endpoint that a server says it has, so that no test forgets one that comes later. */
import assert from 'node:assert/strict'

export type Endpoint = {
  readonly method: string
  /** With `{id}` where an id stands. */
  readonly path: string
  /** What a token needs; `undefined`: none is needed. */
  readonly scope: string | undefined
}

type Operation = { readonly security?: readonly { readonly token?: readonly string[] }[] }

/** HEAD is there wherever GET is. */
export async function endpointsOf(address: string): Promise<Endpoint[]> {
  const response = await fetch(`${address}/api-docs/openapi.json`)
  const { paths } = (await response.json()) as {
    paths: Record<string, Record<string, Operation>>
  }
  const found = Object.entries(paths).flatMap(([path, methods]) =>
    Object.entries(methods).flatMap(([method, { security }]) => {
      const scope = security?.[0]?.token?.[0]
      const names = method === 'get' ? ['GET', 'HEAD'] : [method.toUpperCase()]
      return names.map((name) => ({ method: name, path, scope }))
    }),
  )
  assert.ok(found.length >= 11, `only ${found.length} endpoints`)
  return found
}
