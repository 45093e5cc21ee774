/** The two modes as subjects: each in a lab, with what its requests should find. */
import { readdir } from 'node:fs/promises'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import type { StatementSync } from 'node:sqlite'
import type { Lab } from '../harness/lab.ts'
import { makeToken } from '../harness/tokens.ts'
import { Subject } from './subject.ts'
import type { Known } from './values.ts'

export type Made = {
  readonly subject: Subject
  readonly known: Known
  /** Operations that come more often. */
  readonly often: Readonly<Record<string, number>>
  readonly stop: () => void
}

/** A body of more than this is too large; files that are generated can be. */
const uploadSize = ['--max-upload-size', '64KiB']

const ids = Array.from({ length: 40 }, (_, n) => String(n + 1))

/** A server with tokens, and a client that runs what it takes. */
export async function makeServer(lab: Lab): Promise<Made> {
  const client = await lab.client({ name: 'behind', args: ['--slots', '4'] })
  const start = async () => {
    const services = { example: [client.address], other: [client.address] }
    const { program, api } = await lab.server({ services, args: uploadSize })
    return { program, address: api.address }
  }
  let jobs: StatementSync | undefined
  const subject = await Subject.create(start, {
    incoming: () => readdir(join(lab.directory, 'server', 'jobs', 'incoming')),
    taken: async () => Number(jobs?.get()?.['n']),
    takenWhen: (_request, { status }) => (status === 201 ? [1, 1] : [0, 0]),
  })
  const all = await makeToken(lab, 'all')
  const narrow = await makeToken(lab, 'narrow', undefined, '--user', '1', '--service', 'example')
  const reader = await makeToken(lab, 'reader', 'read')
  const tokens = [...Array.from({ length: 10 }, () => all), narrow, reader]
  const database = new DatabaseSync(join(lab.directory, 'server.sqlite'), { readOnly: true })
  jobs = database.prepare('select count(*) as n from jobs')
  const known = {
    id: ids,
    wait: ['0', '1ms', '0.01', '61s', '-1s', '1h'],
    user_id: ['1', '2', 'ada@example.org'],
    service: ['example', 'Other'],
    max_attempts: ['1', '2'],
    max_runtime: ['1h', '20'],
    'Idempotency-Key': ['one', 'two', 'three', 'four'],
    authorization: tokens.map((token) => `Bearer ${token}`),
  }
  return { subject, known, often: { 'POST /upload': 8 }, stop: () => database.close() }
}

const server = '0123456789abcdef'
const keys = Array.from({ length: 8 }, (_, n) => `${server}-${n.toString(16).padStart(32, '0')}`)

/** A client that is on its own. */
export async function makeClient(lab: Lab): Promise<Made> {
  const start = () => lab.client({ args: ['--slots', '4', ...uploadSize] })
  const payloads = join(lab.directory, 'client', 'payloads')
  let [highest, taken] = [0, 0]
  const subject = await Subject.create(start, {
    incoming: () => readdir(join(payloads, 'incoming')),
    taken: async () => {
      const names = await readdir(payloads)
      const fresh = names.map(Number).filter((id) => id > highest)
      highest = Math.max(highest, ...fresh)
      return (taken += fresh.length)
    },
    // Under a key that is there already, nothing is.
    takenWhen: ({ target }, { status }) =>
      /^\/submit\b/.test(target) && status === 200 ? [0, 1] : [0, 0],
  })
  const known = {
    key: keys,
    keys: [...keys, keys.join(',')],
    'job-key': keys,
    server: [server],
    instance: [''],
    maxRuntimeOf: ['service', 'upload'],
  }
  // It drains as seldom as it can.
  const often = { 'POST /submit': 12, 'DELETE /drain': 6 }
  return { subject, known, often, stop: () => {} }
}
