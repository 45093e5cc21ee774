import assert from 'node:assert/strict'
import type { Program } from './program.ts'

/** The one line of a program that could not start: nothing else is said, and the exit code is 2. */
export async function refusal(program: Program): Promise<string> {
  assert.equal(await program.exit(), 2, program.said)
  assert.match(
    program.errors,
    /^job-orchestrator (server|client|import|backup|restore|token): [^\n]+\n$/,
  )
  assert.equal(program.lines.length, 0, program.said)
  return program.errors.trimEnd()
}
