/** Moves what belongs to no job out of the way, so that nobody takes it for another's. */
import { existsSync, renameSync } from 'node:fs'
import { readdir } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { systemCode } from '../domain/errors.ts'
import { makeDirectories } from './directories.ts'
import { syncDirectory } from './durable.ts'
import type { JobFiles } from './job-files.ts'

export class Aside {
  /** Where it goes. */
  readonly directory: string
  readonly #files: JobFiles
  readonly #changed = new Set<string>()

  /** @param name of a directory below `jobs/aside/`. */
  constructor(files: JobFiles, name: string) {
    this.#files = files
    this.directory = join(files.directory, 'aside', name)
  }

  /** Moves all that is there of a job. */
  async job(id: number): Promise<void> {
    await this.#move(join(this.#files.directory, String(id)), join(this.directory, String(id)))
  }

  /** Moves something in the directory of a job. */
  async entry(id: number, name: string): Promise<void> {
    const from = join(this.#files.directory, String(id), name)
    await this.#move(from, join(this.directory, String(id), name))
  }

  /** Makes all that was moved durable. */
  async sync(): Promise<void> {
    for (const directory of this.#changed) await syncDirectory(directory)
    this.#changed.clear()
  }

  async #move(from: string, to: string): Promise<void> {
    makeDirectories(dirname(to))
    renameSync(from, freeName(to))
    for (let at = dirname(to); at !== this.#files.directory; at = dirname(at)) this.#changed.add(at)
    this.#changed.add(dirname(from)).add(this.#files.directory)
  }
}

/** The name, or one with a number behind it if something has it. */
export function freeName(path: string): string {
  if (!existsSync(path)) return path
  for (let number = 2; ; number++) if (!existsSync(`${path}.${number}`)) return `${path}.${number}`
}

/** Ids of all jobs that were ever set aside. */
export async function idsAside(files: JobFiles): Promise<number[]> {
  const root = join(files.directory, 'aside')
  const names = await Promise.all((await namesIn(root)).map((name) => namesIn(join(root, name))))
  return names
    .flat()
    .map((name) => Number.parseInt(name, 10))
    .filter(Number.isSafeInteger)
}

async function namesIn(directory: string): Promise<string[]> {
  try {
    return await readdir(directory)
  } catch (error) {
    if (systemCode(error) === 'ENOENT' || systemCode(error) === 'ENOTDIR') return []
    throw error
  }
}
