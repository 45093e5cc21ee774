/** A connection on which a test writes what it likes, byte by byte. */
import { once } from 'node:events'
import { connect } from 'node:net'
import type { Socket } from 'node:net'

export class Wire implements Disposable {
  readonly #socket: Socket
  /** All that has come back. */
  heard = ''

  constructor(address: string) {
    const { hostname, port } = new URL(address)
    this.#socket = connect(Number(port), hostname)
    this.#socket.on('error', () => {}) // a connection that is cut is what is looked for
    this.#socket.on('data', (bytes: Buffer) => (this.heard += bytes.toString('latin1')))
  }

  /** Sends; resolves when the system has taken it, or the connection is gone. */
  async write(bytes: string | Uint8Array): Promise<void> {
    if (this.#socket.destroyed || this.#socket.write(bytes)) return
    const { promise, resolve } = Promise.withResolvers<void>()
    for (const event of ['drain', 'close'] as const) this.#socket.once(event, resolve)
    await promise
    for (const event of ['drain', 'close'] as const) this.#socket.off(event, resolve)
  }

  get isCut(): boolean {
    return this.#socket.readableEnded || this.#socket.destroyed
  }

  /** All that has come back when the other side has cut the connection. */
  async cut(): Promise<string> {
    if (!this.isCut) await Promise.race([once(this.#socket, 'end'), once(this.#socket, 'close')])
    return this.heard
  }

  /** Says that nothing more will be sent. */
  end(): void {
    this.#socket.end()
  }

  /** Statuses of all answers that came. */
  get statuses(): number[] {
    return [...this.heard.matchAll(/HTTP\/1\.1 (\d{3}) /g)].map(([, status]) => Number(status))
  }

  [Symbol.dispose](): void {
    this.#socket.destroy()
  }
}

/** Sends a head line by line, with what follows it, and resolves when the connection is cut. */
export async function speak(address: string, lines: readonly string[], body = ''): Promise<Wire> {
  const wire = new Wire(address)
  await wire.write([...lines, '', body].join('\r\n'))
  await wire.cut()
  return wire
}
