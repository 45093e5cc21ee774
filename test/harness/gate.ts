/** Holds scripts until the test lets them go on: a FIFO that they read from. */
import { execFile } from 'node:child_process'
import { constants } from 'node:fs'
import { open } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'

export class Gate implements AsyncDisposable {
  /** The line of bash that waits. */
  readonly wait: string
  readonly #path: string

  private constructor(path: string) {
    this.#path = path
    this.wait = `{ read -r _ <'${path}' || :; }`
  }

  static async create(directory: string, name = 'gate'): Promise<Gate> {
    const path = join(directory, name)
    await promisify(execFile)('mkfifo', [path])
    return new Gate(path)
  }

  /** Lets everybody go on who waits now. */
  async open(): Promise<void> {
    // For reading too: then it does not wait for a reader.
    const handle = await open(this.#path, constants.O_RDWR | constants.O_NONBLOCK)
    await handle.close()
  }

  /** Nobody is left behind waiting when a test fails. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.open()
  }
}
