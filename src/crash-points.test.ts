import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { join } from 'node:path'
import { test } from 'node:test'
import { armCrashPoint, crashPoint, crashVariable, underTestVariable } from './crash-points.ts'

test('a crash point is armed only where the process says that it is under test', () => {
  assert.equal(armCrashPoint({}), undefined)
  assert.equal(armCrashPoint({ [crashVariable]: '' }), undefined)
  for (const value of ['', 'no']) {
    const refused = armCrashPoint({ [crashVariable]: 'pack: told', [underTestVariable]: value })
    assert.match(refused ?? '', /is for its tests alone/)
  }
  crashPoint('pack: told') // and we live on
})

test('what is no crash point, and no passage, is refused', () => {
  for (const wrong of ['pack', 'pack: told@0', 'pack: told@', 'pack: told@x', '@1', 'toString']) {
    const refused = armCrashPoint({ [crashVariable]: wrong, [underTestVariable]: '1' })
    assert.match(refused ?? '', /no crash point and no NAME@N/, wrong)
  }
})

test('an armed process dies at the passage that was named, not before', () => {
  const file = JSON.stringify(join(import.meta.dirname, 'crash-points.ts'))
  const code = `import { armCrashPoint, crashPoint } from ${file}
    armCrashPoint(process.env)
    for (const name of ['pack: told', 'end: seen', 'pack: told', 'pack: told']) {
      process.stdout.write(name + '; ')
      crashPoint(name)
    }`
  const env = { [crashVariable]: 'pack: told@2', [underTestVariable]: '1' }
  const { signal, stdout } = spawnSync(process.execPath, ['--input-type=module', '-e', code], {
    env,
  })
  assert.deepEqual([signal, stdout.toString()], ['SIGKILL', 'pack: told; end: seen; pack: told; '])
})
