/**
 * Passes connections on, to a port or from a socket in the file system, which reaches into any
 * network namespace. As a program: `relay.ts SOCKET HOST PORT`.
 */
import { once } from 'node:events'
import { connect, createServer } from 'node:net'
import type { ListenOptions, NetConnectOpts, Server, Socket } from 'node:net'

export class Relay implements AsyncDisposable {
  readonly server: Server
  readonly #sockets: Set<Socket>

  private constructor(server: Server, sockets: Set<Socket>) {
    this.server = server
    this.#sockets = sockets
  }

  static async create(from: ListenOptions, to: NetConnectOpts): Promise<Relay> {
    const sockets = new Set<Socket>()
    const server = createServer((near) => {
      const far = connect(to)
      near.pipe(far).pipe(near)
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
    server.listen(from)
    await once(server, 'listening')
    return new Relay(server, sockets)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const closed = once(this.server, 'close')
    this.server.close()
    for (const socket of this.#sockets) socket.destroy()
    await closed
  }
}

if (import.meta.main) {
  const [path = '', host = '', port = ''] = process.argv.slice(2)
  await Relay.create({ path }, { host, port: Number(port) })
}
