/**
 * Which API tokens there are. Tokens are made and revoked by another process than the server's,
 * while that runs: what is asked here is asked anew each time.
 *
 * `tokens.suite.ts` says what every implementation must do.
 */
import type { Token } from '../domain/token.ts'

export type HashedToken = { readonly token: Token; readonly hash: Uint8Array }

export interface TokenStore extends Disposable {
  /** Whether there ever was a token, whatever has become of it. */
  hasAny(): boolean

  find(id: string): HashedToken | undefined

  /** All there ever were, in the order in which they were made. */
  list(): Token[]

  /**
   * Durable when it resolves.
   *
   * @throws Fault `conflict` if its name is that of another one that is not revoked.
   */
  insert(token: Token, hash: Uint8Array): Promise<void>

  /**
   * Revokes a token; durable when it resolves. One that is revoked already stays as it is.
   *
   * @param which its id, or its name: that of the one that is not revoked, or else of the last that was.
   * @returns the token as it is then; `undefined` if there is none.
   */
  revoke(which: string, nowMs: number): Promise<Token | undefined>
}
