import { join } from 'node:path'
import type { ClientUnderTest, Lab } from './lab.ts'

/** A client on a port that is known before, or that it had before. */
export async function clientAt(
  lab: Lab,
  port: number,
  {
    name = 'client',
    args = [],
    through = [],
  }: {
    readonly name?: string
    readonly args?: string[]
    readonly through?: readonly string[]
  } = {},
): Promise<ClientUnderTest> {
  const data = ['--data-path', join(lab.directory, name), '--kill-grace', '1s']
  const program = lab.program(['client', '--port', String(port), ...data, ...args], {}, through)
  return { program, address: await program.address() }
}
