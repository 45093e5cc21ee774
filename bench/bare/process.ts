/** The bare server, seen from the bench: a process of its own. */
import { fork } from 'node:child_process'
import type { ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'

export class BareServer implements AsyncDisposable {
  /** Where it is; the path of a file goes behind it. */
  readonly address: string
  readonly #child: ChildProcess

  private constructor(child: ChildProcess, address: string) {
    this.#child = child
    this.address = address
  }

  static async start(): Promise<BareServer> {
    const child = fork(join(import.meta.dirname, 'main.ts'), { stdio: 'inherit' })
    const [address] = (await once(child, 'message')) as [string]
    return new BareServer(child, address)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#child.exitCode !== null || this.#child.signalCode !== null) return
    const ended = once(this.#child, 'exit')
    this.#child.disconnect()
    await ended
  }
}
