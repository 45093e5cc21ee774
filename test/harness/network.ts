/** A network between a server and a client that the test can bring to a standstill. */
import { once } from 'node:events'
import { connect, createServer } from 'node:net'
import type { AddressInfo, Server, Socket } from 'node:net'

/** So much of each connection passes while it stands still: heads of requests, no large file. */
const passesBytes = 128 * 1024

export class Network implements AsyncDisposable {
  readonly address: string
  readonly #server: Server
  readonly #sockets: Set<Socket>
  readonly #gate: { held: Set<Socket> | undefined }

  private constructor(
    server: Server,
    sockets: Set<Socket>,
    gate: { held: Set<Socket> | undefined },
  ) {
    this.address = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
    this.#server = server
    this.#sockets = sockets
    this.#gate = gate
  }

  /**
   * A way to an address on this machine.
   *
   * @param delayMs so long everything is on its way to it.
   */
  static async to(address: string, delayMs = 0): Promise<Network> {
    const { port } = new URL(address)
    const sockets = new Set<Socket>()
    const gate: { held: Set<Socket> | undefined } = { held: undefined }
    const server = createServer((near) => {
      const far = connect(Number(port), '127.0.0.1')
      let passed = 0
      near.on('data', (chunk) => {
        passed += chunk.length
        if (delayMs === 0) far.write(chunk)
        else setTimeout(() => far.write(chunk), delayMs)
        if (passed > passesBytes && gate.held) gate.held.add(near.pause())
      })
      near.on('end', () => setTimeout(() => far.end(), delayMs))
      far.pipe(near)
      for (const socket of [near, far]) {
        sockets.add(socket)
        socket.on('error', () => {})
        socket.on('close', () => {
          sockets.delete(socket)
          near.destroy()
          far.destroy()
        })
      }
    })
    server.listen(0, '127.0.0.1')
    await once(server, 'listening')
    return new Network(server, sockets, gate)
  }

  /** From now on the rest of what is large gets stuck; nobody is told. */
  hold(): void {
    this.#gate.held = new Set()
  }

  /** What got stuck goes on. */
  release(): void {
    const { held } = this.#gate
    this.#gate.held = undefined
    for (const socket of held ?? []) socket.resume()
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const closed = once(this.#server, 'close')
    this.#server.close()
    for (const socket of this.#sockets) socket.destroy()
    await closed
  }
}
