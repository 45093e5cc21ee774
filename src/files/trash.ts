/**
 * A directory for what is to be removed, and is so some time later, together: each file costs a call
 * that waits for the disk, and one `rm` for many directories costs a quarter of what we would need.
 */
import { execFile } from 'node:child_process'
import { existsSync } from 'node:fs'
import { readdir } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { removeTree } from './remove.ts'

const run = promisify(execFile)

/** So long more may come; nobody can see it any more. */
const emptyAfterMs = 1_000

/** So many names are a command that no system finds too long. */
const atOnce = 200

export class Trash {
  readonly directory: string
  readonly #onStuck: (path: string) => void
  readonly #stuck = new Set<string>()
  #timer: NodeJS.Timeout | undefined
  #emptying: Promise<void> | undefined

  /** @param onStuck called with what cannot be removed, once; it is tried again at the next start. */
  constructor(directory: string, onStuck: (path: string) => void) {
    this.directory = directory
    this.#onStuck = onStuck
  }

  /** Something was put into it. */
  filled(): void {
    this.#timer ??= setTimeout(() => {
      this.#timer = undefined
      void this.#empty()
    }, emptyAfterMs)
  }

  /** Empties it now. */
  async [Symbol.asyncDispose](): Promise<void> {
    clearTimeout(this.#timer)
    await this.#empty()
  }

  #empty(): Promise<void> {
    this.#emptying = (this.#emptying ?? Promise.resolve()).then(() => this.#emptyOnce())
    return this.#emptying
  }

  /** Never throws: what is there still, whyever, is stuck. */
  async #emptyOnce(): Promise<void> {
    const names = await readdir(this.directory).catch(() => [])
    const paths = names.map((name) => join(this.directory, name))
    const wanted = paths.filter((path) => !this.#stuck.has(path))
    for (let at = 0; at < wanted.length; at += atOnce) {
      await run('rm', ['-rf', '--', ...wanted.slice(at, at + atOnce)]).catch(() => {})
    }
    for (const path of wanted) {
      if (!existsSync(path) || (await removeTree(path))) continue
      this.#stuck.add(path)
      this.#onStuck(path)
    }
  }
}
