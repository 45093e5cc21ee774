import assert from 'node:assert/strict'
import { test } from 'node:test'
import { ClockWatch } from './clock-watch.ts'

const second = 1000
const hour = 3600 * second
const day = 24 * hour
const began = 1_800_000_000_000

/** Both clocks, so long after the start; the wall clock is off by `offMs`. */
const at = (ms: number, offMs = 0) => ({ wallMs: began + ms + offMs, monotonicMs: 77 + ms })

function watch(maxAgeMs: number, lastSeenMs: number | null = null) {
  return new ClockWatch(maxAgeMs, at(0), lastSeenMs)
}

const steady = { restMs: 0, warning: undefined }

test('a clock that goes on steadily is trusted after 10 s, or MAX_AGE if that is less', () => {
  const slow = watch(10 * day)
  assert.deepEqual(slow.look(at(0)), { restMs: 10 * second, warning: undefined })
  assert.deepEqual(slow.look(at(10 * second)), steady)
  assert.deepEqual(slow.look(at(hour)), steady)
  const fast = watch(2 * second)
  assert.deepEqual(fast.look(at(second)), { restMs: second, warning: undefined })
  assert.deepEqual(fast.look(at(2 * second)), steady)
})

test('a clock that is merely corrected is steady, however far that leads', () => {
  const clock = watch(10 * day)
  for (let hours = 1; hours < 100; hours++) {
    assert.deepEqual(clock.look(at(hours * hour, hours * 1.8 * second)), steady)
  }
})

test('after a jump it is not trusted for an hour, and that is said once', () => {
  for (const [jumpMs, said] of [
    [365 * day, /jumped forward by 365 d: nothing is cleaned until it is steady for 1 h$/],
    [-2 * hour, /jumped back by 2 h: /],
    [6 * second, /jumped forward by 6 s: /],
  ] as const) {
    const clock = watch(10 * day)
    assert.deepEqual(clock.look(at(hour)), steady)
    const jumped = clock.look(at(2 * hour, jumpMs))
    assert.match(jumped.warning ?? '', said)
    assert.equal(jumped.restMs, hour)
    assert.deepEqual(clock.look(at(2.5 * hour, jumpMs)), { restMs: hour / 2, warning: undefined })
    assert.deepEqual(clock.look(at(3 * hour, jumpMs)), steady)
  }
})

test('each further jump begins the rest anew', () => {
  const clock = watch(10 * day)
  clock.look(at(hour, day))
  const back = clock.look(at(1.5 * hour))
  assert.match(back.warning ?? '', /back by 1 d/)
  assert.equal(back.restMs, hour)
})

test('the rest is not longer than MAX_AGE', () => {
  const clock = watch(2 * second)
  const { restMs, warning } = clock.look(at(10 * second, day))
  assert.equal(restMs, 2 * second)
  assert.match(warning ?? '', /steady for 2 s$/)
})

test('a clock that is before what an earlier process has seen has gone back', () => {
  const clock = watch(10 * day, began + day)
  const { restMs, warning } = clock.look(at(0))
  assert.equal(restMs, hour)
  assert.match(warning ?? '', /back by 1 d/)
  assert.deepEqual(clock.look(at(hour)), steady)
  assert.equal(watch(10 * day, began - 100 * day).look(at(0)).warning, undefined)
})

test('it is looked at when the next thing is due, hourly at least, and never without a pause', () => {
  const clock = watch(10 * day)
  const pauses = [5 * second, 5 * day, -1, undefined].map((dueMs) => clock.pauseMs(dueMs))
  assert.deepEqual(pauses, [5 * second, hour, 100, hour])
  assert.equal(watch(2 * second).pauseMs(undefined), 2 * second)
})
