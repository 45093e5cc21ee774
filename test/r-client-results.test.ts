/** Results of a 2.2.3 client: whole, the job's own, and without what only helps to know them. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { buffer } from 'node:stream/consumers'
import { ZipFile } from 'yazl'
import { isMarkerName } from '../src/domain/marker.ts'
import { Hold } from './harness/held.ts'
import { Lab, until } from './harness/lab.ts'
import { RClient, trap } from './harness/r-client.ts'

const damages: Record<string, (zip: Buffer) => Buffer> = {
  'cut in half': (zip) => zip.subarray(0, zip.length / 2),
  'no ZIP at all': () => Buffer.from('disk full'),
  empty: () => Buffer.alloc(0),
  'of a wrong checksum': spoilChecksum,
}

for (const [name, damage] of Object.entries(damages)) {
  test(`a result that is ${name} is fetched until it is whole`, async () => {
    await using lab = await Lab.create()
    await using client = await RClient.create()
    const { api, program } = await lab.server({ services: { example: [client.address] } })
    let isWhole = false
    let damaged = 0
    client.onResult = (zip) => {
      if (isWhole) return zip
      damaged++
      return damage(zip)
    }
    const id = await api.upload(`${trap}echo hello > out`)
    await until('it was tried some times', () => damaged >= 6)
    assert.equal((await api.job(id)).status, 'Running')
    const partial = await api.get(`/download_partial/${id}`)
    assert.equal(partial.status >= 500, true, `${partial.status}`)
    assert.ok(partial.body.message.length > 0)
    isWhole = true
    const job = await api.ended(id)
    assert.equal(job.status, 'Completed', job.message)
    assert.equal((await api.files(id)).get('out')?.content.toString(), 'hello\n')
    const told = program.lines.filter((line) => line['level'] === 40 && line['job'] === id)
    assert.equal(told.length, 1, program.said)
  })
}

test('a result that its client cut when it ended itself is had from the directory', async () => {
  await using lab = await Lab.create()
  await using client = await RClient.create()
  const { api } = await lab.server({ services: { example: [client.address] } })
  client.onResult = (zip, { verb }) => (verb === 'retrieve' ? zip.subarray(0, 100) : zip)
  const job = await api.run(`${trap}echo hello > out`)
  assert.equal(job.status, 'Completed', job.message)
  const files = await api.files(job.id)
  assert.deepEqual([...files.keys()].toSorted(), ['.orchestrator.exit', 'out', 'run.sh'])
})

test("a script's own output.zip is a file like others", async () => {
  await using lab = await Lab.create()
  await using client = await RClient.create()
  const { api } = await lab.server({ services: { example: [client.address] } })
  const own = new ZipFile()
  own.addBuffer(Buffer.from('inner'), 'inner')
  own.end()
  const zip = new Uint8Array(await buffer(own.outputStream))
  const job = await api.run({
    'run.sh': `${trap}cp own.zip output.zip; echo hello > out`,
    'own.zip': zip,
  })
  assert.equal(job.status, 'Completed', job.message)
  const files = await api.files(job.id)
  assert.deepEqual([...files.keys()].toSorted(), [
    '.orchestrator.exit',
    'out',
    'output.zip',
    'own.zip',
    'run.sh',
  ])
  assert.deepEqual(files.get('output.zip')?.content, Buffer.from(zip))
})

test('an exit code that is among the uploaded files ends nothing', async () => {
  await using lab = await Lab.create()
  await using client = await RClient.create()
  const { api } = await lab.server({ services: { example: [client.address] } })
  const hold = new Hold(lab)
  const id = await api.upload({
    'run.sh': `${trap}${hold.wait}; echo hello > out; exit 3`,
    '.orchestrator.exit': '0\n',
  })
  await api.reached(id, 'Running')
  const asked = client.requests.length
  await until('it was looked at', () => client.requests.length > asked + 3)
  assert.equal((await api.job(id)).status, 'Running')
  await hold.release()
  const job = await api.ended(id)
  assert.equal(job.message, 'run.sh ended with exit code 3')
})

test('the marker is another one for each attempt, and no user sees it', async () => {
  await using lab = await Lab.create()
  await using client = await RClient.create()
  const { api } = await lab.server({ services: { example: [client.address] } })
  client.beforeAnswer = (response) => {
    client.beforeAnswer = () => {}
    response.destroy() // so there is a second attempt
  }
  const hold = new Hold(lab)
  const id = await api.upload(`${trap}ls -A > seen; ${hold.wait}; exit 7`)
  await api.reached(id, 'Running')
  const markers = client.submissions.map((files) =>
    [...files].filter(([name]) => isMarkerName(name)),
  )
  assert.deepEqual(
    markers.map((some) => some.length),
    [1, 1],
  )
  const [first, second] = markers.map(([marker]) => marker)
  assert.notEqual(first?.[0], second?.[0])
  assert.notDeepEqual(first?.[1], second?.[1])
  await until('its script has begun', async () =>
    (await api.files(id, 'download_partial')).has('seen'),
  )
  const running = await api.files(id, 'download_partial')
  assert.deepEqual([...running.keys()].toSorted(), ['run.sh', 'seen'])
  await hold.release()
  const job = await api.ended(id)
  assert.equal(job.status, 'Failed')
  const failed = await api.files(id, 'download_partial')
  assert.deepEqual([...failed.keys()].toSorted(), ['.orchestrator.exit', 'run.sh', 'seen'])
})

test('a job that fails there says how, and its files can be had', async () => {
  await using lab = await Lab.create()
  await using client = await RClient.create()
  const { api } = await lab.server({ services: { example: [client.address] } })
  const failed = await api.run(`${trap}echo hello > out; exit 7`)
  assert.equal(failed.status, 'Failed')
  assert.equal(failed.message, 'run.sh ended with exit code 7')
  assert.equal((await api.get(`/download/${failed.id}`)).body.status, 'Failed')
  const files = await api.files(failed.id, 'download_partial')
  assert.equal(files.get('out')?.content.toString(), 'hello\n')
})

test('a script that such a client refuses is invalid, and it is said why', async () => {
  await using lab = await Lab.create()
  await using client = await RClient.create()
  const { api } = await lab.server({ services: { example: [client.address] } })
  for (const script of ['true', `${trap}# curl`]) {
    const invalid = await api.run(script)
    assert.equal(invalid.status, 'Invalid')
    assert.match(invalid.message, /version 2\.2\.3, refused run\.sh: .*trap .*EXIT/)
    const files = await api.files(invalid.id, 'download_partial')
    assert.deepEqual([...files.keys()], ['run.sh'])
  }
})

/** Writes another checksum for the entry `out`, where it is in there. */
function spoilChecksum(zip: Buffer): Buffer {
  const spoilt = Buffer.from(zip)
  // The central directory's header: the checksum at 16, the length of the name at 28, it at 46.
  for (let at = 0; (at = spoilt.indexOf('PK\u0001\u0002', at, 'latin1')) >= 0; at++) {
    const nameLength = spoilt.readUInt16LE(at + 28)
    const name = spoilt.toString('utf8', at + 46, at + 46 + nameLength)
    if (name === 'out') spoilt.writeUInt32LE(spoilt.readUInt32LE(at + 16) ^ 1, at + 16)
  }
  return spoilt
}
