/** Who asks, and what that one may do: the one place where tokens are looked at. */
import { fullAccess } from '../domain/access.ts'
import type { Access, Scope } from '../domain/access.ts'
import { Fault } from '../domain/errors.ts'
import { hashToken, isToken, tokenIdOf, tokenState } from '../domain/token.ts'
import type { TokenStore } from '../store/tokens.ts'

export type AdmitContext = { readonly tokens: Pick<TokenStore, 'hasAny' | 'find'> }

/** A token that is not there is compared with this: no token has that hash. */
const nobody = new Uint8Array(hashToken('').byteLength)

/**
 * Looks who asks. The store is asked each time, so that what is revoked ends at once.
 *
 * @param headers all Authorization headers that came.
 * @returns what is given to everybody where there never was a token.
 * @throws Fault `unauthenticated`
 */
export function admit({ tokens }: AdmitContext, headers: readonly string[], nowMs: number): Access {
  if (!tokens.hasAny()) return fullAccess
  if (headers.length > 1) throw refused('there is more than one Authorization header')
  const text = bearerOf(headers[0])
  const id = tokenIdOf(text)
  if (id === undefined) throw refused('the Authorization header holds no token of this program')
  const found = tokens.find(id)
  if (!isToken(text, found?.hash ?? nobody) || !found) throw refused('the token is not known here')
  const state = tokenState(found.token, nowMs)
  if (state !== 'valid') {
    throw refused(`the token "${found.token.name}" ${state === 'expired' ? 'has' : 'was'} ${state}`)
  }
  return found.token
}

/** @throws Fault `forbidden` */
export function demandScope({ scopes }: Access, scope: Scope): void {
  if (scopes.includes(scope)) return
  throw new Fault(
    'forbidden',
    `this needs a token with the scope "${scope}"; this one has: ${scopes.join(', ')}`,
  )
}

function bearerOf(header: string | undefined): string {
  if (header === undefined) {
    throw refused(
      'a token is needed, in a header "Authorization: Bearer TOKEN"; the operator makes one with ' +
        'job-orchestrator token create',
    )
  }
  const [, text] = /^bearer +([^ ]+)$/i.exec(header) ?? []
  if (text === undefined) throw refused('the Authorization header must be "Bearer TOKEN"')
  return text
}

function refused(why: string): Fault {
  return new Fault('unauthenticated', why)
}
