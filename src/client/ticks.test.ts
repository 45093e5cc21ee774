import assert from 'node:assert/strict'
import { readFile } from 'node:fs/promises'
import { cpus } from 'node:os'
import { test } from 'node:test'
import { allowedCpus, ticksOf } from './ticks.ts'

// user nice system idle iowait irq softirq steal guest guest_nice
const stat = `cpu  1110 20 330 9000 400 5 6 7 80 9
cpu0 100 2 30 4000 40 0 1 2 50 0
cpu1 10 0 3 500 4 1 0 0 0 0
cpu8 1000 18 297 4500 356 4 5 5 30 9
intr 123 0 0
ctxt 456
cpufreq 9
`
const cpu0 = { busy: 100 + 2 + 30 + 1 + 2, total: 100 + 2 + 30 + 4000 + 40 + 1 + 2 }
const cpu1 = { busy: 10 + 3 + 1, total: 10 + 3 + 500 + 4 + 1 }
const cpu8 = { busy: 1000 + 18 + 297 + 14, total: 1000 + 18 + 297 + 4500 + 356 + 14 }
const whole = { busy: 1110 + 20 + 330 + 18, total: 1110 + 20 + 330 + 9000 + 400 + 18, cpus: 'cpu' }

test('only the CPUs that may be used count', () => {
  assert.deepEqual(ticksOf(stat, '0'), { ...cpu0, cpus: 'cpu0' })
  assert.deepEqual(ticksOf(stat, '1'), { ...cpu1, cpus: 'cpu1' })
  assert.deepEqual(ticksOf(stat, '8-15'), { ...cpu8, cpus: 'cpu8' })
  const both = { busy: cpu0.busy + cpu8.busy, total: cpu0.total + cpu8.total }
  assert.deepEqual(ticksOf(stat, '0,8'), { ...both, cpus: 'cpu0,cpu8' })
  assert.equal(ticksOf(stat, '0-1,4,7-9').cpus, 'cpu0,cpu1,cpu8')
})

test('without a list, or with one of CPUs that are not there, the whole machine counts', () => {
  assert.deepEqual(ticksOf(stat, undefined), whole)
  assert.deepEqual(ticksOf(stat, '2-7'), whole)
})

test('the list of CPUs is read as the system writes it', () => {
  const status = 'Name:\tnode\nCpus_allowed:\t103\nCpus_allowed_list:\t0-1,8\nMems_allowed:\t1\n'
  assert.equal(allowedCpus(status), '0-1,8')
  assert.equal(allowedCpus('Name:\tnode\n'), undefined)
})

test('this system says what is expected of it', async () => {
  const allowed = allowedCpus(await readFile('/proc/self/status', 'latin1'))
  assert.match(allowed ?? '', /^\d/)
  const stats = await readFile('/proc/stat', 'latin1')
  const { busy, total, cpus: found } = ticksOf(stats, allowed)
  assert.ok(busy > 0 && busy < total)
  assert.match(found, /^cpu\d+(,cpu\d+)*$/)
  assert.ok(found.split(',').length <= cpus().length)
})
