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

// oxlint-disable-next-line no-control-regex -- control characters are what is looked for
const controlCharacter = /[\u0000-\u001f\u007f]/

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

/** Collects the paths of one job and refuses those that cannot stand beside each other. */
export class PathSet {
  readonly #files = new Set<string>()
  readonly #directories = new Set<string>()

  get size(): number {
    return this.#files.size
  }

  /** None of them is in a directory. */
  get isFlat(): boolean {
    return this.#directories.size === 0
  }

  has(path: string): boolean {
    return this.#files.has(path)
  }

  /**
   * @throws Fault `invalid` if the path is there already, or if it would have to be a file and a
   *   directory at once.
   */
  add(path: string): void {
    if (this.#files.has(path)) {
      throw new Fault('invalid', `file name ${quoted(path)} was sent twice`)
    }
    const parents = parentsOf(path)
    if (this.#directories.has(path) || parents.some((parent) => this.#files.has(parent))) {
      throw new Fault('invalid', `${quoted(path)} is both a file and a directory in this upload`)
    }
    this.#files.add(path)
    for (const parent of parents) this.#directories.add(parent)
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
