/** The load that a client tells: that of the CPUs that it may use. */
import { execFileSync, spawn } from 'node:child_process'
import { readFile } from 'node:fs/promises'
import { test } from 'node:test'
import { allowedCpus } from '../src/client/ticks.ts'
import { Lab, until } from './harness/lab.ts'
import type { ClientUnderTest } from './harness/lab.ts'

const allowed = allowedCpus(await readFile('/proc/self/status', 'latin1')) ?? ''

test(
  'a client tells the load of the CPU that it is pinned to, not of the machine',
  { skip: /^\d*$/.test(allowed) && 'with one CPU both are the same' },
  async () => {
    await using lab = await Lab.create()
    const client = await lab.client()
    const cpu = Number.parseInt(allowed, 10)
    const burner = spawn('taskset', ['-c', `${cpu}`, 'bash', '-c', 'while :; do :; done'])
    try {
      // While it runs: so a Slurm daemon or an operator may change it too.
      execFileSync('taskset', ['-a', '-p', '-c', `${cpu}`, `${client.program.pid}`])
      await until('its own CPU is busy', async () => (await load(client)) > 90)
    } finally {
      burner.kill('SIGKILL')
    }
  },
)

async function load({ address }: ClientUnderTest): Promise<number> {
  return (await (await fetch(`${address}/load`)).json()) as number
}
