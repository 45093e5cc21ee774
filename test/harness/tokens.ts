/** Tokens of the lab's server, made by the real command while that runs. */
import assert from 'node:assert/strict'
import type { Lab } from './lab.ts'
import type { Program } from './program.ts'

const place = ['--db-path', 'server.sqlite']

/** Runs `token`, which has to do all; returns what it says on standard output. */
export async function tokenCommand(lab: Lab, ...args: readonly string[]): Promise<string> {
  const program = lab.program(['token', ...args, ...place])
  assert.equal(await program.exit(), 0, program.said)
  return program.output.trimEnd()
}

/** One that is to be refused. */
export function wrongTokenCommand(lab: Lab, ...args: readonly string[]): Program {
  return lab.program(['token', ...args, ...place])
}

/** A new token. */
export function makeToken(
  lab: Lab,
  name: string,
  scope = 'submit,read,terminate',
  ...more: readonly string[]
): Promise<string> {
  return tokenCommand(lab, 'create', '--name', name, '--scope', scope, ...more)
}

export const revokeToken = (lab: Lab, which: string) => tokenCommand(lab, 'revoke', which)
