import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { Lab } from './lab.ts'

/** Holds scripts until the test lets them go, even if they come later; never beyond the test. */
export class Hold {
  /** The line of bash that waits. */
  readonly wait: string
  readonly #path: string

  constructor(lab: Lab, name = 'go') {
    this.#path = join(lab.directory, name)
    this.wait = `while [ -e '${lab.directory}' ] && [ ! -e '${this.#path}' ]; do sleep 0.02; done`
  }

  release(): Promise<void> {
    return writeFile(this.#path, '')
  }
}
