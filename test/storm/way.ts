/**
 * A way to an address on this machine that a storm may do what it likes with: cut what is open, in the
 * middle of a body or not; refuse what is new; hold what is sent and deliver it late, perhaps when
 * its sender has long given up.
 */
import { once } from 'node:events'
import { connect, createServer } from 'node:net'
import type { AddressInfo, Server, Socket } from 'node:net'

/** So much is held of one direction; then its sender has to wait. */
const mostHeldBytes = 1024 * 1024

export class Way implements AsyncDisposable {
  readonly port: number
  readonly #server: Server
  readonly #pipes = new Set<Pipe>()
  #isHeld = false
  #isClosed = false

  private constructor(server: Server, toPort: number) {
    this.#server = server
    this.port = (server.address() as AddressInfo).port
    server.on('connection', (near: Socket) => {
      if (this.#isClosed) return void near.destroy()
      const far = connect(toPort, '127.0.0.1')
      this.#add(new Pipe(near, far))
      this.#add(new Pipe(far, near))
    })
  }

  static async to(toPort: number): Promise<Way> {
    const server = createServer({ allowHalfOpen: true })
    server.listen(0, '127.0.0.1')
    await once(server, 'listening')
    return new Way(server, toPort)
  }

  /** Breaks all that is open. */
  cut(): void {
    for (const pipe of this.#pipes) pipe.break()
  }

  /** Refuses what is new from now on. */
  close(): void {
    this.#isClosed = true
  }

  /** Delivers nothing from now on, and tells nobody. */
  hold(): void {
    this.#isHeld = true
    for (const pipe of this.#pipes) pipe.hold()
  }

  /** Lets everything through again, what was held too. */
  heal(): void {
    this.#isClosed = false
    this.#isHeld = false
    for (const pipe of this.#pipes) pipe.release()
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const closed = once(this.#server, 'close')
    this.#server.close()
    this.cut()
    await closed
  }

  #add(pipe: Pipe): void {
    this.#pipes.add(pipe)
    if (this.#isHeld) pipe.hold()
    pipe.onClose(() => this.#pipes.delete(pipe))
  }
}

/** One direction of a connection. */
class Pipe {
  readonly #from: Socket
  readonly #to: Socket
  #isHeld = false
  #held: Buffer[] = []
  #heldBytes = 0
  /** The sender has ended, or is gone. */
  #isOver = false

  constructor(from: Socket, to: Socket) {
    this.#from = from
    this.#to = to
    from.on('data', (chunk: Buffer) => this.#pass(chunk))
    to.on('drain', () => this.#isHeld || from.resume())
    from.on('error', () => {})
    from.on('end', () => this.#end())
    from.on('close', () => this.#end())
  }

  onClose(listener: () => void): void {
    this.#to.once('close', listener)
  }

  hold(): void {
    this.#isHeld = true
  }

  /** What a sender that is gone had sent arrives all the same. */
  release(): void {
    this.#isHeld = false
    for (const chunk of this.#held.splice(0)) this.#to.write(chunk)
    this.#heldBytes = 0
    if (this.#isOver) this.#to.end()
    else this.#from.resume()
  }

  break(): void {
    this.#held = []
    reset(this.#from)
    reset(this.#to)
  }

  #pass(chunk: Buffer): void {
    if (this.#isHeld) {
      this.#held.push(chunk)
      this.#heldBytes += chunk.byteLength
      if (this.#heldBytes > mostHeldBytes) this.#from.pause()
    } else if (!this.#to.write(chunk)) this.#from.pause()
  }

  #end(): void {
    this.#isOver = true
    if (!this.#isHeld) this.#to.end()
  }
}

/** Node leaves a socket open for ever that is reset while it is being ended, or not connected yet. */
function reset(socket: Socket): void {
  if (socket.connecting || socket.writableEnded || socket.destroyed) socket.destroy()
  else socket.resetAndDestroy()
}
