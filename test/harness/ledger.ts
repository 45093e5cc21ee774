/**
 * What scripts themselves say of their lives, outside the reach of the system under test: a file to
 * which each appends a line when it starts, while it goes on, and when it ends. A line is one
 * write of bash's own `echo` to a file opened for appending, so lines never mix.
 *
 *     start LABEL JOB ATTEMPT PID TIME
 *     alive LABEL JOB ATTEMPT PID TIME
 *     end   LABEL JOB ATTEMPT PID TIME CODE
 *
 * A script that is killed outright has no `end`; its last `alive` is what is known of it then.
 *
 * A script that is kept apart writes to no file outside. It has the ledger's directory read-only, and in
 * it a FIFO, which may be written to all the same, and which this process empties into the file.
 */
import { execFile } from 'node:child_process'
import { constants, createWriteStream, openSync } from 'node:fs'
import { chmod, mkdir, readFile, writeFile } from 'node:fs/promises'
import { Socket } from 'node:net'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { usualIsolation } from './lab.ts'

export type LedgerEntry = {
  readonly what: 'start' | 'alive' | 'end'
  /** Names the upload that the script came with. */
  readonly label: string
  readonly job: number
  readonly attempt: number
  readonly pid: number
  /** Since 1970, by this machine's clock. */
  readonly atMs: number
  /** Of `end`; for a script that was killed it says little. */
  readonly code: number | null
}

const line = /^(start|alive|end) (\S+) (\d+) (\d+) (\d+) (\d+\.\d+)(?: (\d+))?$/

export class Ledger implements Disposable {
  readonly directory: string
  readonly file: string

  /** Under which isolation the clients run that its scripts are sent to. */
  readonly isolation: string
  #fifo: Socket | undefined

  /** @param directory must not be on a disk that the test breaks. */
  constructor(directory: string, isolation = usualIsolation) {
    this.directory = directory
    this.file = join(directory, 'ledger')
    this.isolation = isolation
  }

  /** What clients have to be told. */
  get clientEnv(): Record<string, string> {
    const { isolation, directory } = this
    return isolation === 'none'
      ? { ISOLATION: 'none' }
      : { ISOLATION: isolation, BIND_RO: directory }
  }

  /** Where scripts write. */
  get #door(): string {
    return this.isolation === 'none' ? this.file : join(this.directory, 'door')
  }

  /** Makes it, if it is not there yet. */
  async create(): Promise<void> {
    await mkdir(this.directory, { recursive: true })
    await writeFile(this.file, '', { flag: 'a' })
    if (this.isolation === 'none') return
    await promisify(execFile)('mkfifo', [this.#door])
    await chmod(this.#door, 0o666)
    // For writing too: so it never ends.
    const fd = openSync(this.#door, constants.O_RDWR | constants.O_NONBLOCK)
    this.#fifo = new Socket({ fd, readable: true, writable: false })
    this.#fifo.pipe(createWriteStream(this.file, { flags: 'a' }))
  }

  [Symbol.dispose](): void {
    this.#fifo?.destroy()
  }

  /** The first lines of each script; `tell alive` may be said at any time after them. */
  prologue(label: string): string {
    const time = '$EPOCHREALTIME' // bash 5
    return `tell() { echo "$1 ${label} $JOB_ID $ATTEMPT $$ ${time}\${2+ $2}" >>'${this.#door}'; }
trap 'tell end $?' EXIT
tell start
`
  }

  /** All that was told, in order. @throws when there is a line that no script writes. */
  async read(): Promise<LedgerEntry[]> {
    const lines = (await readFile(this.file, 'utf8')).split('\n').slice(0, -1)
    return lines.map(parse)
  }
}

function parse(text: string): LedgerEntry {
  const match = line.exec(text)
  if (!match) throw new Error(`the ledger has a line that no script writes: ${text}`)
  const [, what, label = '', job, attempt, pid, seconds, code] = match
  return {
    what: what as LedgerEntry['what'],
    label,
    job: Number(job),
    attempt: Number(attempt),
    pid: Number(pid),
    atMs: Number(seconds) * 1000,
    code: code === undefined ? null : Number(code),
  }
}
