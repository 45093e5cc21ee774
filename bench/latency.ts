/** From POST /upload to a result that can be downloaded: one trivial job at a time. */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { Lab } from '../test/harness/lab.ts'
import type { Api } from '../test/harness/api.ts'
import { form } from '../test/harness/api.ts'
import { ms, percentile } from './figure.ts'
import type { Figure } from './figure.ts'

const warmUps = 50
const rounds = 200
const script = 'echo done > out.txt\n'
const askEveryMs = 2
const barMs = 60

/** Jobs and bare runs of the same script alternate. */
export async function latency(): Promise<Figure[]> {
  await using lab = await Lab.create()
  const { api } = await lab.pair()
  const bareScript = join(lab.directory, 'run.sh')
  await writeFile(bareScript, script)
  const jobs: number[] = []
  const bare: number[] = []
  for (let round = -warmUps; round < rounds; round++) {
    const job = await timed(() => runJob(api))
    const alone = await timed(() => runBare(bareScript, lab.directory))
    if (round < 0) continue
    jobs.push(job)
    bare.push(alone)
  }
  const p50 = percentile(jobs, 0.5)
  const p99 = percentile(jobs, 0.99)
  const bareP50 = percentile(bare, 0.5)
  return [
    {
      name: 'latency, p50',
      value: ms(p50),
      beside: `bare bash ${ms(bareP50)}: + ${ms(p50 - bareP50)}, ${(p50 / bareP50).toFixed(1)} x`,
      bar: `< ${barMs} ms`,
      holds: p50 < barMs,
    },
    {
      name: 'latency, p99',
      value: ms(p99),
      beside: `bare bash ${ms(percentile(bare, 0.99))}; its own p50: ${(p99 / p50).toFixed(1)} x`,
    },
  ]
}

async function timed(work: () => Promise<unknown>): Promise<number> {
  const start = performance.now()
  await work()
  return performance.now() - start
}

/** As an application does it: asks until the answer is a ZIP. */
async function runJob(api: Api): Promise<void> {
  const { body } = await api.post('/upload', form(script, { user_id: '1', service: 'example' }))
  for (;;) {
    const response = await fetch(`${api.address}/download/${body.id}`)
    await response.arrayBuffer()
    if (response.headers.get('content-type') === 'application/zip') return
    // Asking as fast as it can would take a core away from what is measured.
    await delay(askEveryMs)
  }
}

async function runBare(file: string, cwd: string): Promise<void> {
  const child = spawn('bash', [file], { cwd, stdio: 'ignore' })
  await once(child, 'close')
}
