import assert from 'node:assert/strict'
import { test } from 'node:test'
import { showUnseen, showUnseenInJson } from './unseen.ts'

test('what a terminal would act upon is shown as what it is', () => {
  assert.equal(showUnseen('a\u001b[2J\r\nb'), 'a\\u001b[2J\\u000d\\u000ab')
  assert.equal(showUnseen('\u202egnp.exe\u2028'), '\\u202egnp.exe\\u2028')
  assert.equal(showUnseen('plain, ä, 漢'), 'plain, ä, 漢')
})

test('JSON means the same then, and shows what it had left as it was', () => {
  const text = 'a\u009b2J\u202eb\n'
  const json = showUnseenInJson(JSON.stringify(text))
  assert.equal(json, String.raw`"a\u009b2J\u202eb\n"`)
  assert.equal(JSON.parse(json), text)
})
