/** Both limits hold at every moment, and users take turns: the rule, replayed from the log. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { compareTurns } from '../src/domain/quota.ts'
import { Hold } from './harness/held.ts'
import { Lab } from './harness/lab.ts'
import type { LogLine } from './harness/program.ts'

type Step = {
  readonly job: number
  readonly user: string
  readonly from: string | null
  to: string
}

const active = new Set<string | null>(['Processing', 'Submitted', 'Running'])

/** Each change of a job, in the order in which they were committed. */
function steps(lines: readonly LogLine[]): Step[] {
  return (lines as readonly (LogLine & Step)[]).filter(
    ({ job, from, to }) => typeof job === 'number' && typeof to === 'string' && from !== to,
  )
}

function startsIn(lines: readonly LogLine[]): Step[] {
  return steps(lines).filter(({ to }) => to === 'Processing')
}

class User {
  readonly userId: string
  readonly firstJob: number
  readonly queued = new Set<number>()
  active = 0
  lastStart = 0

  constructor(userId: string, firstJob: number) {
    this.userId = userId
    this.firstJob = firstJob
  }
}

/** Follows the steps, and holds every start against the rule. */
function replay(changes: readonly Step[], runsPerUser: number, maxRuns: number) {
  const users = new Map<string, User>()
  const peaks = { service: 0, user: 0, waiting: 0 }
  let starts = 0
  let sum = 0
  for (const { job, user: userId, from, to } of changes) {
    const user = users.get(userId) ?? new User(userId, job)
    users.set(userId, user)
    if (to === 'Processing') {
      const waiting = [...users.values()].filter(({ queued }) => queued.size > 0)
      const [next] = waiting.toSorted(compareTurns)
      const who = `start ${starts + 1}, job ${job}`
      assert.equal(userId, next?.userId, `${who}: it was the turn of ${next?.userId}`)
      assert.equal(job, Math.min(...user.queued), `${who}: not the first of its user`)
      user.lastStart = ++starts
      peaks.waiting = Math.max(peaks.waiting, waiting.length)
    }
    if (to === 'Queued') user.queued.add(job)
    else user.queued.delete(job)
    const more = Number(active.has(to)) - Number(active.has(from))
    user.active += more
    sum += more
    assert.ok(user.active <= runsPerUser, `${user.active} jobs of ${userId} at once`)
    assert.ok(sum <= maxRuns, `${sum} jobs of the service at once`)
    peaks.service = Math.max(peaks.service, sum)
    peaks.user = Math.max(peaks.user, user.active)
  }
  return { peaks, starts }
}

test('200 jobs of 5 users: no limit is exceeded, both are reached, users take turns', async () => {
  await using lab = await Lab.create()
  const env = { SERVICE_EXAMPLE_RUNS_PER_USER: '2', SERVICE_EXAMPLE_MAX_RUNS: '4' }
  const { api, program } = await lab.pair({ env })
  // One has more than the others: in the end it is alone, and then its own limit counts.
  const senders = Object.entries({ ada: 100, bo: 25, cy: 25, di: 25, eve: 25 })
  const ids = await Promise.all(
    senders.map(async ([user, count]) => {
      const sent: number[] = []
      for (let nth = 0; nth < count; nth++) sent.push(await api.upload('true', { user }))
      return sent
    }),
  )
  for (const id of ids.flat()) await api.reached(id, 'Completed')
  const { peaks, starts } = replay(steps(program.lines), 2, 4)
  assert.deepEqual(peaks, { service: 4, user: 2, waiting: 5 })
  assert.equal(starts, 200)
})

test('who sends one job after another’s flood of a hundred is next', async () => {
  await using lab = await Lab.create()
  const env = { SERVICE_EXAMPLE_RUNS_PER_USER: '5', SERVICE_EXAMPLE_MAX_RUNS: '5' }
  const { api, program } = await lab.pair({ env })
  const hold = new Hold(lab)
  const flood = Array.from({ length: 100 }, () => api.upload(hold.wait, { user: 'flood' }))
  const ids = await Promise.all(flood)
  await program.line(() => startsIn(program.lines).length === 5)
  const late = await api.upload('true', { user: 'late' })
  await hold.release()
  for (const id of [...ids, late]) await api.reached(id, 'Completed')
  const changes = steps(program.lines)
  replay(changes, 5, 5)
  const order = startsIn(program.lines).map(({ job }) => job)
  assert.equal(order.indexOf(late), 5, 'it came after the five that ran already')
})
