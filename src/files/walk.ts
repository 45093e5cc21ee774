/** What of a work directory goes into a result, and what is left out and why. */
import { realpathSync } from 'node:fs'
import type { Dirent } from 'node:fs'
import { lstat, readdir, readlink } from 'node:fs/promises'
import { dirname, isAbsolute, join, normalize, sep } from 'node:path'
import { systemCode } from '../domain/errors.ts'
import { ownDirectory } from '../domain/names.ts'

export type LeftOut = { readonly path: string; readonly why: string }

export type Found =
  | { readonly kind: 'file'; readonly path: string; readonly file: string }
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

/** Walks a directory in the order of names; what vanishes meanwhile is left out. */
export async function* walk(root: string): AsyncGenerator<Found> {
  const real = realPath(root)
  if (real === undefined) yield leaveOut('.', 'the work directory is gone')
  else yield* walkDirectory(root, real, '')
}

/** Also what is said of a name that is not UTF-8: it cannot be asked for. */
const vanished = 'vanished while it was packed'

function leaveOut(path: string, why: string): Found {
  return { kind: 'left out', path, why }
}

async function* walkDirectory(root: string, real: string, parent: string): AsyncGenerator<Found> {
  const entries = await entriesIn(join(root, parent))
  if (typeof entries === 'string') {
    yield leaveOut(parent, entries)
    return
  }
  for (const entry of entries) {
    const { name } = entry
    const path = parent === '' ? name : `${parent}/${name}`
    const file = join(root, path)
    if (path === ownDirectory) yield leaveOut(path, `${ownDirectory}/ is not the script's`)
    else if (name.includes('\\')) yield leaveOut(path, 'a ZIP cannot hold a name with a backslash')
    else if (entry.isFile()) yield { kind: 'file', path, file }
    else if (entry.isDirectory()) yield* walkInside(root, real, path)
    else if (entry.isSymbolicLink()) yield link(root, real, path)
    else yield leaveOut(path, 'neither a file, a directory nor a link')
  }
}

/** What is in a directory, or, if that is nothing, the directory itself. */
async function* walkInside(root: string, real: string, path: string): AsyncGenerator<Found> {
  const inside = walkDirectory(root, real, path)
  const first = await inside.next()
  if (!first.done) {
    yield first.value
    yield* inside
    return
  }
  const stats = await lstat(join(root, path)).catch(() => undefined)
  if (!stats?.isDirectory()) yield leaveOut(path, vanished)
  else yield { kind: 'empty directory', path, mtime: stats.mtime, mode: stats.mode & 0o40777 }
}

async function link(root: string, real: string, path: string): Promise<Found> {
  const file = join(root, path)
  try {
    const [target, { mtime }] = await Promise.all([readlink(file), lstat(file)])
    return staysInside(root, real, path, target)
      ? { kind: 'link', path, target: Buffer.from(target), mtime }
      : leaveOut(path, `a link to ${JSON.stringify(target)}, outside the work directory`)
  } catch {
    return leaveOut(path, vanished)
  }
}

/** What is in a directory, sorted by name, or why that cannot be had. */
async function entriesIn(directory: string): Promise<Dirent[] | string> {
  try {
    const entries = await readdir(directory, { withFileTypes: true })
    return entries.toSorted((a, b) => (a.name < b.name ? -1 : 1))
  } catch (error) {
    const code = systemCode(error)
    if (code === 'ENOENT' || code === 'ENOTDIR') return vanished
    if (code === 'EACCES' || code === 'ENAMETOOLONG') return `cannot be read (${code})`
    throw error
  }
}

/**
 * Whether a link leads to inside the work directory: by its words, for whoever unpacks it, and in
 * truth, for links that lead through other links.
 */
function staysInside(root: string, real: string, path: string, target: string): boolean {
  if (isAbsolute(target)) return false
  const words = normalize(join(dirname(path), target))
  if (words === '..' || words.startsWith(`..${sep}`)) return false
  const truth = realPath(join(root, path))
  if (truth !== undefined && truth !== real && !truth.startsWith(real + sep)) return false
  // After another link ".." leads elsewhere than the words say, and elsewhere again where the
  // result is unpacked. What leads nowhere is harmless otherwise, and perhaps meant.
  const steps = target.split('/').filter((step) => step !== '' && step !== '.')
  const named = steps.findIndex((step) => step !== '..')
  if (named === -1 || !steps.includes('..', named)) return true
  return truth !== undefined && truth === realPath(join(root, words))
}

/** `undefined` if it leads nowhere. */
function realPath(path: string): string | undefined {
  try {
    return realpathSync.native(path)
  } catch {
    return undefined
  }
}
