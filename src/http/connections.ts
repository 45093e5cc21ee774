/** Open connections to clients, and how much has passed on each. */
import type { Socket } from 'node:net'

export class Connections {
  readonly #ofOrigin = new Map<string, Set<Socket>>()

  add(origin: string, socket: Socket): void {
    const sockets = this.#ofOrigin.get(origin) ?? new Set()
    this.#ofOrigin.set(origin, sockets.add(socket))
    socket.once('close', () => {
      sockets.delete(socket)
      if (sockets.size === 0 && this.#ofOrigin.get(origin) === sockets) {
        this.#ofOrigin.delete(origin)
      }
    })
  }

  /** @returns gives up the connections of now on which nothing has passed since. */
  mark(origin: string): () => void {
    const marks = [...(this.#ofOrigin.get(origin) ?? [])].map(
      (socket) => [socket, passedBytes(socket)] as const,
    )
    return () => {
      for (const [socket, before] of marks) {
        if (passedBytes(socket) !== before) continue
        socket.destroy(new Error('the connection was given up: nothing passed on it'))
      }
    }
  }
}

/** What the other side, or at least its way there, has taken counts; what waits here does not. */
function passedBytes(socket: Socket): number {
  return socket.bytesRead + socket.bytesWritten - socket.writableLength
}
