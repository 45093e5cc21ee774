import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { join } from 'node:path'
import { test } from 'node:test'
import { armCrashPoint, crashPoint, crashVariable, underTestVariable } from './crash-points.ts'

test('a crash point is armed only where the process says that it is under test', () => {
  assert.equal(armCrashPoint({}), undefined)
  assert.equal(armCrashPoint({ [crashVariable]: '' }), undefined)
  assert.match(armCrashPoint({ [crashVariable]: 'here' }) ?? '', /is for its tests alone/)
  assert.match(
    armCrashPoint({ [crashVariable]: 'here', [underTestVariable]: 'no' }) ?? '',
    /is for its tests alone/,
  )
  crashPoint('here') // and we live on
})

test('an armed process dies at the passage that was named, not before', () => {
  const file = JSON.stringify(join(import.meta.dirname, 'crash-points.ts'))
  const code = `import { armCrashPoint, crashPoint } from ${file}
    armCrashPoint(process.env)
    for (const name of ['here', 'there', 'here', 'here']) {
      process.stdout.write(name + ' ')
      crashPoint(name)
    }`
  const env = { [crashVariable]: 'here@2', [underTestVariable]: '1' }
  const { signal, stdout } = spawnSync(process.execPath, ['--input-type=module', '-e', code], {
    env,
  })
  assert.deepEqual([signal, stdout.toString()], ['SIGKILL', 'here there here '])
})
