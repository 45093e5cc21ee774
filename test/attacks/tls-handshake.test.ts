/** Who begins to prove who he is, and does not come to an end, is cut off, and told nothing. */
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { connect } from 'node:net'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { test } from 'node:test'
import { Authority, noCertificates } from '../harness/certificates.ts'
import { Lab } from '../harness/lab.ts'

/** The beginning of a ClientHello of 512 bytes. */
const halfHello = Buffer.from([0x16, 0x03, 0x01, 0x02, 0x00, 0x01, 0x00, 0x01, 0xfc, 0x03, 0x03])

test('attack: a TLS handshake that never ends', { skip: noCertificates }, async () => {
  await using lab = await Lab.create()
  const authority = await Authority.create(join(lab.directory, 'authority'))
  const env = await authority.issue('client')
  const { address, program } = await lab.client({ env: { ...env, TLS_CA: authority.file } })
  const port = Number(new URL(address).port)
  const sockets = [[], halfHello].map((bytes) => {
    const socket = connect(port, '127.0.0.1')
    socket.on('error', () => {})
    socket.write(Buffer.from(bytes))
    return socket
  })
  const said = await Promise.all(
    sockets.map(async (socket) => {
      const [heard] = await Promise.all([text(socket), once(socket, 'close')])
      return heard
    }),
  )
  assert.ok(
    said.every((heard) => !heard.includes('HTTP')),
    said.join('\n'),
  )
  await program.line(({ msg }) => /a TLS connection from .* was refused: .*HANDSHAKE/i.test(msg))
})
