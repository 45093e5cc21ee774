/** What some files say, also after they have changed. */
import { statSync } from 'node:fs'
import { messageOf } from '../domain/errors.ts'
import type { Log } from '../log.ts'

/** Looking costs some microseconds. */
const lookEveryMs = 1_000

/** A value that may become another one. */
export type Current<T> = {
  readonly value: T
  readonly onChange: (listener: (value: T) => void) => void
}

/** A value that stays. */
export function constant<T>(value: T): Current<T> {
  return { value, onChange: () => {} }
}

/** As long as the files are broken, it stays what it was. */
export class FromFiles<T> implements Current<T>, Disposable {
  readonly #files: readonly string[]
  readonly #read: () => T
  readonly #log: Log
  readonly #listeners = new Set<(value: T) => void>()
  readonly #timer: NodeJS.Timeout
  #value: T
  #marks: string

  /**
   * @param value what they said at the start.
   * @param read reads them again; what it throws is told, once for each change.
   */
  constructor(files: readonly string[], value: T, read: () => T, log: Log) {
    this.#files = files
    this.#value = value
    this.#read = read
    this.#log = log
    this.#marks = this.#look()
    // They may have changed since they were read first, and nobody would see that any more.
    this.#reread()
    this.#timer = setInterval(() => this.#lookAgain(), lookEveryMs)
  }

  get value(): T {
    return this.#value
  }

  onChange(listener: (value: T) => void): void {
    this.#listeners.add(listener)
  }

  [Symbol.dispose](): void {
    clearInterval(this.#timer)
  }

  #lookAgain(): void {
    const marks = this.#look()
    if (marks === this.#marks) return
    this.#marks = marks
    if (!this.#reread()) return
    this.#log.info(`${this.#files.join(', ')}: changed, and in use from now on`)
    for (const listener of this.#listeners) listener(this.#value)
  }

  #reread(): boolean {
    try {
      this.#value = this.#read()
      return true
    } catch (error) {
      this.#log.error(`${messageOf(error)}; what was read before stays in use`)
      return false
    }
  }

  /** Differs whenever a file is another one, or has been written to. */
  #look(): string {
    return this.#files.map(markOf).join('\n')
  }
}

function markOf(file: string): string {
  try {
    const { dev, ino, size, mtimeNs, ctimeNs } = statSync(file, { bigint: true })
    return [dev, ino, size, mtimeNs, ctimeNs].join(' ')
  } catch (error) {
    return messageOf(error)
  }
}
