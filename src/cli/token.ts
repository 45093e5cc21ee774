/** Makes, lists and revokes API tokens in a server's database, while the server runs or not. */
import { randomBytes } from 'node:crypto'
import { existsSync } from 'node:fs'
import { resolve } from 'node:path'
import type { TokenConfig } from '../config/token-config.ts'
import { Fault } from '../domain/errors.ts'
import { hashToken, tokenIdBytes, tokenSecretBytes, writeToken } from '../domain/token.ts'
import type { Token } from '../domain/token.ts'
import { inspectDatabase, isNewest, openDatabase } from '../store/sqlite/database.ts'
import { takeLock } from '../store/sqlite/lock.ts'
import { openTokenStore } from '../store/sqlite/tokens.ts'
import type { TokenStore } from '../store/tokens.ts'
import { lockFileOf } from './own-store.ts'
import { starting } from './start-error.ts'
import { describeToken, tokenTable } from './token-table.ts'

/** Writes a line. */
type Say = (line: string) => void

/**
 * Does what the command says.
 *
 * @param say writes a line to standard output: of a new token that alone.
 * @param remark writes one to standard error.
 * @returns whether all was done.
 * @throws StartError when something is in the way that the operator can mend.
 */
export async function runToken(config: TokenConfig, say: Say, remark: Say): Promise<boolean> {
  const { dbPath } = config
  const path = resolve(dbPath)
  return starting(`cannot use the database ${path}`, async () => {
    inspectDatabase(dbPath)
    if (!existsSync(dbPath)) {
      if (config.verb !== 'create') {
        throw new Fault('not_found', `there is no database ${path}: is --db-path the server's?`)
      }
      remark(`there is no database ${path} yet: it is made, for the server that is to be`)
    }
    await bringUpToDate(dbPath)
    using tokens = openTokenStore(dbPath)
    switch (config.verb) {
      case 'create':
        say(await create(tokens, config, remark))
        break
      case 'list':
        for (const line of tokenTable(tokens.list(), Date.now())) say(line)
        break
      case 'revoke':
        say(await revoke(tokens, config.which))
        break
    }
    return true
  })
}

/** A database of another version is changed only where no server uses it. */
async function bringUpToDate(dbPath: string): Promise<void> {
  if (existsSync(dbPath) && isNewest(dbPath)) return
  const advice = 'it is of another version than this program; restart it with this one first'
  using alone = new DisposableStack()
  alone.use(takeLock(await lockFileOf(dbPath), advice))
  openDatabase(dbPath).close()
}

async function create(
  tokens: TokenStore,
  { name, scopes, userId, service, expiresInMs }: Extract<TokenConfig, { verb: 'create' }>,
  remark: Say,
): Promise<string> {
  const nowMs = Date.now()
  const made: Token = {
    id: randomBytes(tokenIdBytes).toString('hex'),
    name,
    scopes,
    userId,
    service,
    createdAtMs: nowMs,
    expiresAtMs: expiresInMs === null ? null : nowMs + expiresInMs,
    revokedAtMs: null,
  }
  const isFirst = !tokens.hasAny()
  const token = writeToken(made.id, randomBytes(tokenSecretBytes))
  await tokens.insert(made, hashToken(token))
  remark(`${describeToken(made)}. It is told this once:`)
  if (isFirst) remark('it is the first one: from now on nobody is let in without a token')
  return token
}

async function revoke(tokens: TokenStore, which: string): Promise<string> {
  const revoked = await tokens.revoke(which, Date.now())
  if (!revoked) {
    throw new Fault('not_found', `there is no token ${JSON.stringify(which)}: see token list`)
  }
  return `revoked: ${describeToken(revoked)}`
}
