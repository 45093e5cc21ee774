/** Backups of the lab's server, and how it is brought back. */
import assert from 'node:assert/strict'
import { rm } from 'node:fs/promises'
import { join } from 'node:path'
import type { Lab } from './lab.ts'

/** Of the server that a lab calls by its usual name. */
export function placesOf(name = 'server'): string[] {
  return ['--db-path', `${name}.sqlite`, '--data-path', name]
}

/** A backup that has to do all; returns what it says. */
export async function backUp(lab: Lab, to = 'backup', ...more: string[]): Promise<string> {
  const program = lab.program(['backup', '--to', to, ...placesOf(), ...more])
  assert.equal(await program.exit(), 0, program.said)
  return program.output
}

/** A restore that has to do all; returns what it says. */
export async function restore(lab: Lab, from = 'backup', name = 'server'): Promise<string> {
  const program = lab.program(['restore', '--from', from, ...placesOf(name)])
  assert.equal(await program.exit(), 0, program.said)
  return program.output
}

/** What a table of a backup or a restore says of something. */
export function told(output: string, what: string): string {
  const line = output.split('\n').find((one) => one.startsWith(`  ${what}  `))
  assert.ok(line !== undefined, `nothing of "${what}" in\n${output}`)
  return line.slice(what.length + 2).trim()
}

/** The disk is burnt. */
export async function loseDatabase(lab: Lab): Promise<void> {
  for (const part of ['', '-wal', '-shm']) {
    await rm(join(lab.directory, `server.sqlite${part}`), { force: true })
  }
}

export async function loseFiles(lab: Lab): Promise<void> {
  await rm(join(lab.directory, 'server'), { recursive: true })
}
