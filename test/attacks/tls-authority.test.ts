/** TLS_CA is changed while everything runs: who was trusted is not any more, and nothing stops. */
import assert from 'node:assert/strict'
import { copyFile, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'node:test'
import { Authority, noCertificates } from '../harness/certificates.ts'
import type { CertificateFiles } from '../harness/certificates.ts'
import { doorTo } from '../harness/door.ts'
import { Lab, until } from '../harness/lab.ts'
import type { Program } from '../harness/program.ts'
import { send } from '../harness/raw.ts'
import { Sent, send as sendJob } from '../harness/sent.ts'

const files = { 'run.sh': 'echo said > out.txt' }

test(
  'an authority is changed in three steps, and the old one lets nobody in',
  { skip: noCertificates },
  async () => {
    await using lab = await Lab.create()
    const [first, second] = [
      await Authority.create(join(lab.directory, 'first')),
      await Authority.create(join(lab.directory, 'second')),
    ]
    const [firstCa, secondCa] = [
      await readFile(first.file, 'utf8'),
      await readFile(second.file, 'utf8'),
    ]
    const TLS_CA = join(lab.directory, 'trusted.pem')
    await writeFile(TLS_CA, firstCa)
    const own = {
      TLS_CERT: join(lab.directory, 'own.pem'),
      TLS_KEY: join(lab.directory, 'own.key'),
    }
    const old = await first.issue('old')
    await put(old, own)
    const env = { ...own, TLS_CA }
    const { api, program, client } = await lab.pair({ env }, { env })
    const both = [program, client.program]
    const door = doorTo(api.address, { ca: firstCa + secondCa })
    let jobs = 0
    const runs = async () => {
      const upload = new Sent(
        {
          label: `job-${++jobs}`,
          kind: 'quick',
          files,
          fields: {},
          ending: 'Completed',
          results: () => new Map(),
        },
        '1',
      )
      const answer = await sendJob(door, upload)
      assert.equal('status' in answer && answer.status, 201, JSON.stringify(answer))
      const response = await door.fetch(`/download/${upload.id}?wait=30s`)
      assert.equal(response.headers.get('content-type'), 'application/zip', await response.text())
    }
    const comesIn = async (one: CertificateFiles) => {
      const [cert, key] = [
        await readFile(one.TLS_CERT, 'utf8'),
        await readFile(one.TLS_KEY, 'utf8'),
      ]
      const tls = { ca: firstCa + secondCa, cert, key }
      return (await send('GET', `${client.address}/health`, {}, [], tls)).status === 200
    }
    await runs()

    await writeFile(TLS_CA, 'nobody')
    await Promise.all(both.map((one) => one.line(({ msg }) => /TLS_CA: .*stays in use/.test(msg))))
    assert.ok(await comesIn(old))

    await writeFile(TLS_CA, firstCa + secondCa)
    await Promise.all(both.map((one) => inUse(one, 1)))
    const current = await second.issue('new')
    await put(current, own)
    await Promise.all(both.map((one) => inUse(one, 2)))
    assert.ok((await comesIn(old)) && (await comesIn(current)))
    await runs()

    await writeFile(TLS_CA, secondCa)
    await Promise.all(both.map((one) => inUse(one, 3)))
    await runs()
    assert.ok(await comesIn(current))
    await assert.rejects(comesIn(old), /alert|ECONNRESET|hang up|closed/)
    await client.program.line(({ msg }) =>
      /was refused: its certificate is no good to TLS_CA/.test(msg),
    )
    // The server has no use for a client that is as it was.
    const earlier = await lab.client({ name: 'earlier', env: { ...old, TLS_CA: second.file } })
    const other = await lab.server({ name: 'other', services: { example: [earlier.address] }, env })
    await other.program.line(({ msg }) => /unable to verify|self-signed|issuer/.test(msg))
  },
)

async function put(from: CertificateFiles, to: CertificateFiles): Promise<void> {
  await copyFile(from.TLS_KEY, to.TLS_KEY)
  await copyFile(from.TLS_CERT, to.TLS_CERT)
}

/** Resolves when its files have been read anew so often since the start. */
async function inUse({ lines }: Program, times: number): Promise<void> {
  await until('the files are in use', () => {
    return (
      lines.filter(({ msg }) => msg.endsWith('changed, and in use from now on')).length >= times
    )
  })
}
