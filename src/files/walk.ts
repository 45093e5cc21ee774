/**
 * What of a work directory goes into a result, and what is left out and why.
 *
 * It was left by a stranger's script, which may run still. So each directory is opened without
 * following links, and is read only if it is where it was found: else something on the way to it has
 * become a link. There is an end to how much is looked at.
 */
import { isUtf8 } from 'node:buffer'
import { fstatSync, lstatSync, opendirSync, readlinkSync, realpathSync } from 'node:fs'
import type { Dirent } from 'node:fs'
import { dirname, isAbsolute, join, normalize, sep } from 'node:path'
import { setImmediate } from 'node:timers/promises'
import { Fault } from '../domain/errors.ts'
import { ownDirectory } from '../domain/names.ts'
import { openSure, whyNot } from './sure.ts'

export type LeftOut = { readonly path: string; readonly why: string }

export type Found =
  | {
      readonly kind: 'file'
      readonly path: string
      /** Where it was found, with no link on the way. */
      readonly file: string
    }
  | {
      readonly kind: 'empty directory'
      readonly path: string
      readonly mtime: Date
      readonly mode: number
    }
  | {
      readonly kind: 'link'
      readonly path: string
      readonly target: Buffer
      readonly mtime: Date
    }
  | ({ readonly kind: 'left out' } & LeftOut)

/** So many entries are read before somebody else may do something. */
const atATime = 1_000

/** Their names take so much room on average at most: they are held in memory. */
const longestNameOnAverage = 256

/** What is still to be looked at of one directory, in the order of names. */
type Level = { readonly path: string; readonly entries: Iterator<Entry> }

type Entry = { readonly name: string; readonly is: 'directory' } | { readonly found: Found }

/**
 * Walks a directory in the order of names; what vanishes meanwhile is left out.
 *
 * @param mostEntries in all directories.
 * @throws Fault `too_large` if there are more.
 */
export async function* walk(root: string, mostEntries = Infinity): AsyncGenerator<Found> {
  const walking = new Walking(mostEntries)
  const top = openSure(root)
  if (typeof top === 'string') {
    yield leaveOut('.', 'the work directory is gone')
    return
  }
  const real = top.path
  top[Symbol.dispose]()
  const first = await walking.list(real, '')
  const levels: Level[] = []
  if ('found' in first) {
    if (first.found.kind !== 'empty directory') yield first.found
  } else levels.push({ path: '', entries: first.entries.values() })
  for (let level = levels.at(-1); level; level = levels.at(-1)) {
    const next = level.entries.next()
    if (next.done) levels.pop()
    else if ('found' in next.value) yield next.value.found
    else {
      const path = level.path === '' ? next.value.name : `${level.path}/${next.value.name}`
      const listed = await walking.list(real, path)
      if ('found' in listed) yield listed.found
      else levels.push({ path, entries: listed.entries.values() })
    }
  }
}

class Walking {
  readonly #mostEntries: number
  #entries = 0
  #nameBytes = 0

  constructor(mostEntries: number) {
    this.#mostEntries = mostEntries
  }

  /** What is in a directory, sorted by name, or what it is itself, if that is nothing. */
  async list(real: string, parent: string): Promise<{ entries: Entry[] } | { found: Found }> {
    const opened = openSure(join(real, parent), 'directory')
    if (typeof opened === 'string') return { found: leaveOut(parent, opened) }
    using directory = opened
    const here = `/proc/self/fd/${directory.descriptor}`
    const found: { readonly name: string; readonly entry: Entry }[] = []
    try {
      using listing = opendirSync(directory.isProven ? here : directory.path, {
        encoding: 'buffer' as BufferEncoding,
        bufferSize: atATime,
      })
      for (let one = listing.readSync(); one; one = listing.readSync()) {
        const bytes = one.name as unknown as Buffer
        const name = bytes.toString()
        this.#count(parent, bytes.byteLength)
        const path = parent === '' ? name : `${parent}/${name}`
        const entry: Entry = isUtf8(bytes)
          ? entryOf(one, name, path, real, here)
          : { found: leaveOut(path, 'its name is not UTF-8') }
        found.push({ name, entry })
        if (found.length % atATime === 0) await setImmediate()
      }
    } catch (error) {
      return { found: leaveOut(parent, whyNot(error)) }
    }
    if (found.length === 0) {
      const { mtime, mode } = fstatSync(directory.descriptor)
      return { found: { kind: 'empty directory', path: parent, mtime, mode: mode & 0o40777 } }
    }
    found.sort((a, b) => (a.name < b.name ? -1 : 1))
    return { entries: found.map(({ entry }) => entry) }
  }

  #count(parent: string, nameBytes: number): void {
    this.#entries++
    this.#nameBytes += Buffer.byteLength(parent) + nameBytes
    if (this.#entries > this.#mostEntries) {
      throw new Fault(
        'too_large',
        `there are more files than MAX_RESULT_FILES allows (${this.#mostEntries})`,
      )
    }
    if (this.#nameBytes > this.#mostEntries * longestNameOnAverage) {
      throw new Fault(
        'too_large',
        `its names are longer than ${longestNameOnAverage} bytes on average for MAX_RESULT_FILES ` +
          `(${this.#mostEntries}) of them`,
      )
    }
  }
}

const vanished = 'vanished while it was packed'

function leaveOut(path: string, why: string): Found {
  return { kind: 'left out', path, why }
}

/** @param here its directory, by descriptor. */
function entryOf(one: Dirent, name: string, path: string, real: string, here: string): Entry {
  if (path === ownDirectory)
    return { found: leaveOut(path, `${ownDirectory}/ is not the script's`) }
  if (name.includes('\\'))
    return { found: leaveOut(path, 'a ZIP cannot hold a name with a backslash') }
  if (one.isDirectory()) return { name, is: 'directory' }
  if (one.isFile()) return { found: { kind: 'file', path, file: join(real, path) } }
  if (one.isSymbolicLink()) return { found: link(real, path, `${here}/${name}`) }
  return { found: leaveOut(path, 'neither a file, a directory nor a link') }
}

function link(real: string, path: string, file: string): Found {
  try {
    const target = readlinkSync(file, { encoding: 'buffer' })
    if (!isUtf8(target)) return leaveOut(path, 'a link to a name that is not UTF-8')
    return staysInside(real, path, target.toString())
      ? { kind: 'link', path, target, mtime: lstatSync(file).mtime }
      : leaveOut(path, `a link to ${JSON.stringify(target.toString())}, outside the work directory`)
  } catch {
    return leaveOut(path, vanished)
  }
}

/**
 * Whether a link leads to inside the work directory: by its words, for whoever unpacks it, and in
 * truth, for links that lead through other links.
 */
function staysInside(real: string, path: string, target: string): boolean {
  if (isAbsolute(target)) return false
  const words = normalize(join(dirname(path), target))
  if (words === '..' || words.startsWith(`..${sep}`)) return false
  const truth = realPath(join(real, path))
  if (truth !== undefined && truth !== real && !truth.startsWith(real + sep)) return false
  // After another link ".." leads elsewhere than the words say, and elsewhere again where the
  // result is unpacked. What leads nowhere is harmless otherwise, and perhaps meant.
  const steps = target.split('/').filter((step) => step !== '' && step !== '.')
  const named = steps.findIndex((step) => step !== '..')
  if (named === -1 || !steps.includes('..', named)) return true
  return truth !== undefined && truth === realPath(join(real, words))
}

/** `undefined` if it leads nowhere. */
function realPath(path: string): string | undefined {
  try {
    return realpathSync.native(path)
  } catch {
    return undefined
  }
}
