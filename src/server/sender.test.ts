/** What the sender does when time passes while it chooses. */
import assert from 'node:assert/strict'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { pino } from 'pino'
import { JobFiles } from '../files/job-files.ts'
import { openJobStore } from '../store/sqlite/jobs.ts'
import type { Clients } from './clients.ts'
import type { ClientGateway } from './gateway.ts'
import { Sender } from './sender.ts'

test('a client whose hold-off ends while others are looked at is tried again', async () => {
  const directory = await mkdtemp(join(tmpdir(), 'job-orchestrator-test-'))
  await using store = openJobStore(':memory:', { maxAttempts: 3 })
  const chosenAgain = Promise.withResolvers<void>()
  let looks = 0
  let isHeldOff = true
  const clients: Pick<Clients, 'choose' | 'heldOffForMs'> = {
    heldOffForMs: () => (isHeldOff ? 1 : undefined),
    choose() {
      // It was held off when it was looked at, and is not any more when that is done.
      isHeldOff = false
      if (++looks === 2) chosenAgain.resolve()
      return undefined
    },
  }
  const sender = new Sender({
    store,
    files: new JobFiles(directory),
    clients: clients as Clients,
    gateway: {} as ClientGateway,
    log: pino({ level: 'silent' }),
    quotas: new Map([['example', { runsPerUser: 1, maxRuns: 1 }]]),
    clientLostAfterMs: 1_000,
    maxRuntimes: new Map(),
    limits: new Map(),
  })
  sender.start()
  await chosenAgain.promise
  await sender.stop()
  await rm(directory, { recursive: true })
  assert.equal(looks, 2)
})
