import assert from 'node:assert/strict'
import { test } from 'node:test'
import { sharedWork } from './shared-work.ts'

/** Work of which each run ends when the test says so. */
function controlled() {
  const runs: PromiseWithResolvers<void>[] = []
  const ask = sharedWork(() => {
    const run = Promise.withResolvers<void>()
    runs.push(run)
    return run.promise
  })
  return { ask, runs }
}

test('who asks while it is under way waits for the next one, which is one for all', async () => {
  const { ask, runs } = controlled()
  const done: string[] = []
  const first = ask().then(() => done.push('first'))
  assert.equal(runs.length, 1, 'it begins at once')
  const others = [ask().then(() => done.push('second')), ask().then(() => done.push('third'))]
  runs[0]?.resolve()
  await first
  assert.deepEqual(done, ['first'])
  assert.equal(runs.length, 2)
  runs[1]?.resolve()
  await Promise.all(others)
  assert.deepEqual(done, ['first', 'second', 'third'])
  const again = ask()
  assert.equal(runs.length, 3, 'nothing was under way')
  runs[2]?.resolve()
  await again
})

test('one that fails fails for those who waited for it alone', async () => {
  const { ask, runs } = controlled()
  const first = assert.rejects(ask(), /no disk/)
  const second = ask()
  runs[0]?.reject(new Error('no disk'))
  await first
  runs[1]?.resolve()
  await second
})
