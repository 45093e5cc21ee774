/**
 * A way to a client that can be cut: as behind a firewall that forgets, what was open then is dead
 * for good, and nobody is told.
 */
import { once } from 'node:events'
import { connect, createServer } from 'node:net'
import type { AddressInfo, Server, Socket } from 'node:net'

export class Outage implements AsyncDisposable {
  readonly address: string
  readonly #server: Server
  readonly #sockets: Set<Socket>
  readonly #state: State

  private constructor(server: Server, sockets: Set<Socket>, state: State) {
    this.address = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
    this.#server = server
    this.#sockets = sockets
    this.#state = state
  }

  /** A way to an address on this machine. */
  static async to(address: string): Promise<Outage> {
    const { port } = new URL(address)
    const sockets = new Set<Socket>()
    const state: State = { open: new Set(), isCut: false, isBetween: undefined }
    const server = createServer((near) => {
      sockets.add(near)
      near.on('error', () => {})
      near.on('close', () => sockets.delete(near))
      if (state.isCut) return void near.pause()
      const far = connect(Number(port), '127.0.0.1')
      const pair = { near, far }
      state.open.add(pair)
      sockets.add(far)
      near.on('data', (chunk) => far.write(chunk))
      far.on('data', (chunk) => {
        near.write(chunk)
        if (state.isBetween?.(far.bytesRead)) cut(state)
      })
      far.on('error', () => {})
      const close = () => {
        if (!state.open.delete(pair)) return
        near.destroy()
        far.destroy()
      }
      near.on('close', close)
      far.on('close', () => {
        sockets.delete(far)
        close()
      })
    })
    server.listen(0, '127.0.0.1')
    await once(server, 'listening')
    return new Outage(server, sockets, state)
  }

  begin(): void {
    cut(this.#state)
  }

  /** Begins when an answer has come so far, and resolves then. */
  beginAfter(bytes: number): Promise<void> {
    return new Promise((resolve) => {
      this.#state.isBetween = (passed) => {
        if (passed < bytes) return false
        resolve()
        return true
      }
    })
  }

  /** Connections that are made from now on get through. */
  end(): void {
    this.#state.isCut = false
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const closed = once(this.#server, 'close')
    this.#server.close()
    for (const socket of this.#sockets) socket.destroy()
    await closed
  }
}

type State = {
  /** Connections that get through; a dead one is none of them, whatever becomes of its ends. */
  readonly open: Set<{ readonly near: Socket; readonly far: Socket }>
  isCut: boolean
  isBetween: ((passedBytes: number) => boolean) | undefined
}

function cut(state: State): void {
  state.isCut = true
  state.isBetween = undefined
  for (const { near, far } of state.open) {
    near.pause()
    far.pause()
  }
  state.open.clear()
}
