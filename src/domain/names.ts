/**
 * Which names the files of a job may have. Names come from strangers and become paths: what is not
 * surely inside the work directory is refused, and says why.
 */
import { Fault } from './errors.ts'

/** The directory inside a result that is ours. */
export const ownDirectory = '.orchestrator'

/** Longest name of one file or directory, and of a whole path, in bytes of UTF-8. */
const longestSegmentBytes = 255
const longestPathBytes = 1024

/** Most directories around a file, and itself. */
const mostLevels = 100

/** Bytes of all names of one job: they are in memory while it is received. */
const mostNameBytes = 16 * 1024 * 1024

const controlCharacter = /\p{Cc}/u

/**
 * Checks a file's name as it was sent.
 *
 * @returns the relative path, without `.` and doubled slashes: `./a//b` is `a/b`.
 * @throws Fault `invalid` if it is not a path inside the work directory that users may use.
 */
export function safePath(name: string): string {
  const refuse = (why: string): never => {
    throw new Fault('invalid', `file name ${quoted(name)} ${why}`)
  }
  if (name === '') refuse('is empty')
  if (controlCharacter.test(name)) refuse('contains control characters')
  if (name.includes('\u{fffd}')) refuse('is not valid UTF-8')
  if (name.includes('\\')) refuse('contains a backslash; directories are separated by "/"')
  if (name.startsWith('/')) refuse('is absolute; it must be relative to the work directory')
  if (name.endsWith('/')) refuse('names a directory; only files can be sent')
  const segments = name.split('/').filter((segment) => segment !== '' && segment !== '.')
  if (segments.length === 0) refuse('names no file')
  if (segments.includes('..')) refuse('contains ".."; it must stay in the work directory')
  if (segments[0] === ownDirectory) refuse(`is reserved: ${ownDirectory}/ is ours`)
  if (segments.length > mostLevels) refuse(`has more than ${mostLevels} levels`)
  if (segments.some((segment) => Buffer.byteLength(segment) > longestSegmentBytes)) {
    refuse(`has a part that is longer than ${longestSegmentBytes} bytes`)
  }
  const path = segments.join('/')
  if (Buffer.byteLength(path) > longestPathBytes) {
    refuse(`is longer than ${longestPathBytes} bytes`)
  }
  return path
}

/** The name in quotes, cut where it is long, safe to show in a message. */
function quoted(name: string): string {
  return JSON.stringify(name.length > 80 ? `${name.slice(0, 80)}...` : name)
}

/**
 * Collects the paths of one job and refuses those that cannot stand beside each other.
 *
 * Names that differ in case are two names, as they are on Linux. Names that differ in their Unicode
 * form alone look the same to everybody, and where such a job is unpacked on a Mac one of them is
 * lost: they are refused.
 */
export class PathSet {
  readonly #mostFiles: number
  /** As they were sent, by their composed form (NFC). */
  readonly #files = new Map<string, string>()
  readonly #directories = new Set<string>()
  #nameBytes = 0

  /** @param mostFiles MAX_UPLOAD_FILES; there may be so many directories, too. */
  constructor(mostFiles = Infinity) {
    this.#mostFiles = mostFiles
  }

  get size(): number {
    return this.#files.size
  }

  /** None of them is in a directory. */
  get isFlat(): boolean {
    return this.#directories.size === 0
  }

  has(path: string): boolean {
    return this.#files.get(path.normalize()) === path
  }

  /**
   * @throws Fault `invalid` if the path is there already, or if it would have to be a file and a
   *   directory at once; `too_large` if there are too many.
   */
  add(path: string): void {
    const composed = path.normalize()
    const twin = this.#files.get(composed)
    if (twin === path) throw new Fault('invalid', `file name ${quoted(path)} was sent twice`)
    if (twin !== undefined) {
      throw new Fault(
        'invalid',
        `file name ${quoted(path)} was sent twice, in two Unicode forms (NFC, NFD) that look the same`,
      )
    }
    const parents = parentsOf(composed)
    if (this.#directories.has(composed) || parents.some((parent) => this.#files.has(parent))) {
      throw new Fault('invalid', `${quoted(path)} is both a file and a directory in this upload`)
    }
    this.#keep(composed, path)
    for (const parent of parents) this.#keepDirectory(parent)
  }

  #keep(composed: string, path: string): void {
    if (this.#files.size >= this.#mostFiles) {
      throw new Fault(
        'too_large',
        `there are more than ${this.#mostFiles} files (MAX_UPLOAD_FILES)`,
      )
    }
    this.#count(composed)
    this.#files.set(composed, path)
  }

  #keepDirectory(directory: string): void {
    if (this.#directories.has(directory)) return
    if (this.#directories.size >= this.#mostFiles) {
      const most = `${this.#mostFiles} directories (MAX_UPLOAD_FILES)`
      throw new Fault('too_large', `the files are in more than ${most}`)
    }
    this.#count(directory)
    this.#directories.add(directory)
  }

  #count(name: string): void {
    this.#nameBytes += Buffer.byteLength(name)
    if (this.#nameBytes <= mostNameBytes) return
    throw new Fault(
      'too_large',
      `the names of all files together are longer than ${mostNameBytes} bytes`,
    )
  }
}

function parentsOf(path: string): string[] {
  const segments = path.split('/')
  return segments.slice(1).map((_, index) => segments.slice(0, index + 1).join('/'))
}

const userIdForm = /^[A-Za-z0-9._@-]{1,128}$/

/** Whether it is a short token, such as an integer or an address. */
export function isUserId(text: string): boolean {
  return userIdForm.test(text)
}
