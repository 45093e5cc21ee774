/** How tokens are told of; never what they are. */
import { tokenState } from '../domain/token.ts'
import type { Token } from '../domain/token.ts'

const head = ['ID', 'NAME', 'SCOPES', 'USER', 'SERVICE', 'CREATED', 'EXPIRES', 'STATE']

/** A line for each token, and one above them. */
export function tokenTable(tokens: readonly Token[], nowMs: number): string[] {
  const rows = [head, ...tokens.map((token) => cells(token, nowMs))]
  const widths = head.map((_, at) => Math.max(...rows.map((row) => row[at]?.length ?? 0)))
  return rows.map((row) =>
    row
      .map((cell, at) => cell.padEnd(widths[at] ?? 0))
      .join('  ')
      .trimEnd(),
  )
}

function cells(token: Token, nowMs: number): string[] {
  const state = tokenState(token, nowMs)
  return [
    token.id,
    token.name,
    token.scopes.join(','),
    token.userId ?? 'any',
    token.service ?? 'any',
    time(token.createdAtMs),
    token.expiresAtMs === null ? 'never' : time(token.expiresAtMs),
    state === 'revoked' ? `revoked ${time(token.revokedAtMs ?? 0)}` : state,
  ]
}

/** One token, in a line. */
export function describeToken({ id, name, scopes, userId, service, expiresAtMs }: Token): string {
  const user = userId === null ? 'any user' : `user ${userId}`
  const where = service === null ? 'any service' : `service ${service}`
  const until = expiresAtMs === null ? '' : `, until ${time(expiresAtMs)}`
  return `token ${name} (${id}): ${scopes.join(', ')}; ${user}, ${where}${until}`
}

function time(ms: number): string {
  return new Date(ms).toISOString().replace(/\.\d+/, '')
}
