/** What every memory of a client must do. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { ClientMemory } from './client-memory.ts'

/** Runs the suite; `open(name)` opens a memory that is new for each new name. */
export function clientMemorySuite(name: string, open: (name: string) => ClientMemory): void {
  let memories = 0
  const check = (behaviour: string, body: (name: string) => void): void => {
    test(`${name}: ${behaviour}`, () => body(`memory-${memories++}`))
  }

  check('ids never repeat within an instance, also over restarts', (at) => {
    const ids: number[] = []
    let instance: string | undefined
    for (let life = 0; life < 3; life++) {
      using memory = open(at)
      instance ??= memory.instance
      assert.equal(memory.instance, instance)
      for (let n = 0; n < 150; n++) ids.push(memory.nextPayloadId())
    }
    assert.equal(new Set(ids).size, ids.length)
    assert.deepEqual(
      ids.toSorted((a, b) => a - b),
      ids,
    )
  })

  check('a new instance begins somewhere below 2^31', (at) => {
    using one = open(at)
    using other = open(`${at}-other`)
    assert.notEqual(one.instance, other.instance)
    const ids = [one.nextPayloadId(), other.nextPayloadId()]
    assert.ok(ids.every((id) => id > 0 && id < 2 ** 31))
    assert.notEqual(ids[0], ids[1])
  })

  check('refused and forgotten keys are remembered, until they are dropped', (at) => {
    {
      using memory = open(at)
      memory.refuse('cancelled', 100)
      memory.refuse('cancelled', 300)
      memory.forget(['done', 'done too'], 200)
      assert.equal(memory.isRefused('other'), false)
    }
    using memory = open(at)
    assert.ok(memory.isRefused('cancelled') && memory.isRefused('done'))
    memory.dropRefusals(150)
    assert.equal(memory.isRefused('cancelled'), false)
    assert.ok(memory.isRefused('done') && memory.isRefused('done too'))
  })
}
