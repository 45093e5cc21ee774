/** The load generator: does one task after the other, as its parent asks for them. */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { assist } from '../assistant.ts'
import { Application } from './application.ts'
import type { Tasks } from './tasks.ts'

assist<Tasks>({ latency, walk, uploads, paced })

async function latency({ warmUps, rounds, ...ask }: Tasks['latency']['ask']) {
  const { address, sample, credentials } = ask
  await using application = new Application(address, sample, 1, credentials)
  const directory = await mkdtemp(join(tmpdir(), 'job-orchestrator-bench-'))
  try {
    const file = join(directory, 'run.sh')
    await writeFile(file, sample.script)
    const bareMs: number[] = []
    const jobs: { id: number; sentAtMs: number; tookMs: number }[] = []
    for (let round = -warmUps; round < rounds; round++) {
      const sentAtMs = performance.timeOrigin + performance.now()
      const id = await application.upload(1)
      await application.download(id)
      const tookMs = performance.timeOrigin + performance.now() - sentAtMs
      const bareStart = performance.now()
      const child = spawn('bash', [file], { cwd: directory, stdio: 'ignore' })
      await once(child, 'close')
      const bare = performance.now() - bareStart
      if (round < 0) continue
      jobs.push({ id, sentAtMs, tookMs })
      bareMs.push(bare)
    }
    return { jobs, bareMs }
  } finally {
    await rm(directory, { recursive: true, force: true })
  }
}

/** Results are asked for in the order of the uploads, so that there is about one question a job. */
async function walk({ address, sample, credentials, ...volley }: Tasks['walk']['ask']) {
  const { count, atOnce, users } = volley
  await using application = new Application(address, sample, atOnce, credentials)
  const under: Promise<number>[] = []
  return await measure(async () => {
    for (let sent = 0, done = 0; done < count; done++) {
      while (sent < count && under.length < atOnce) under.push(application.upload(sent++ % users))
      const id = (await under.shift()) ?? 0
      await application.download(id)
    }
  })
}

async function uploads({ address, sample, count, atOnce, users }: Tasks['uploads']['ask']) {
  await using application = new Application(address, sample, atOnce)
  const ms: number[] = []
  const ids: number[] = []
  let sent = 0
  const sendOn = async () => {
    while (sent < count) {
      const start = performance.now()
      ids.push(await application.upload(sent++ % users))
      ms.push(performance.now() - start)
    }
  }
  const took = await measure(() => Promise.all(Array.from({ length: atOnce }, sendOn)))
  return { ...took, ms, ids }
}

async function paced({ address, sample, count, everyMs }: Tasks['paced']['ask']) {
  await using application = new Application(address, sample, 1)
  const ids: number[] = []
  const start = performance.now()
  while (ids.length < count) {
    await delay(Math.max(0, start + ids.length * everyMs - performance.now()))
    ids.push(await application.upload(1))
  }
  return { ids }
}

async function measure(work: () => Promise<unknown>) {
  const cpu = process.cpuUsage()
  const start = performance.now()
  await work()
  const { user, system } = process.cpuUsage(cpu)
  return { seconds: (performance.now() - start) / 1000, cpuSeconds: (user + system) / 1e6 }
}
