/**
 * What a client has on disk. A payload's directory says all that is to be known of it, so that the
 * table of payloads can be made anew from the directories.
 *
 *     <DATA_PATH>/payloads/client.sqlite     instance, ids given, keys refused
 *     <DATA_PATH>/payloads/lock              held by the client that uses this directory
 *     <DATA_PATH>/payloads/sandbox/          what bubblewrap reads
 *     <DATA_PATH>/payloads/cgroups.json      where cgroups of payloads were made
 *     <DATA_PATH>/payloads/incoming/<name>/  being received; nothing else knows of it
 *     <DATA_PATH>/payloads/trash/<name>/     being removed
 *     <DATA_PATH>/payloads/<id>/
 *       payload.json   whose it is; a directory without it is no payload
 *       work/          the work directory
 *       home/, tmp/    the script's private HOME and TMPDIR
 *       start          the start record of the supervising shell: its process id, its start time
 *                      (field 22 of /proc/PID/stat) and the boot id
 *       exit           how run.sh ended: CPU times, then "exit CODE"; blank until then
 *       sandbox        how the script is kept apart, if it is: by what, and what bubblewrap told
 *       bounds.json    its limits and its cgroups, if it has any
 *       stdout.log, stderr.log
 *       kill           why it is to be ended
 *       result.zip     the packed result
 *       outcome.json   its final status; it is final, and result.zip whole, when this is there
 */
import { randomUUID } from 'node:crypto'
import { renameSync, statSync, writeFileSync } from 'node:fs'
import { readdir, rm } from 'node:fs/promises'
import { join, resolve } from 'node:path'
import { crashPoint } from '../crash-points.ts'
import { asFault, systemCode } from '../domain/errors.ts'
import type { Ending, Result } from '../domain/job.ts'
import type { PayloadOrigin } from '../domain/payload.ts'
import { makeDirectories, makeDirectoriesDurably } from './directories.ts'
import { all, renameDurably, write, writeDurably, writeFlushed } from './durable.ts'
import type { Content } from './durable.ts'
import type { NewFile } from './new-file.ts'
import { readIfThere } from './read.ts'
import { removeTree } from './remove.ts'
import { Trash } from './trash.ts'
import { Workspace } from './workspace.ts'
import type { Keeping } from './workspace.ts'

/** `payload.json`. */
export type Manifest = {
  readonly id: number
  readonly origin: PayloadOrigin | null
  readonly receivedAtMs: number
  /**
   * The boot of the machine in which its script may have been started; `null` while it is not to
   * be, for it waits for a slot. After a power cut the start record may be gone. An earlier version
   * noted none.
   */
  readonly bootId?: string | null
}

/** `outcome.json`. */
export type Outcome = {
  readonly status: Ending
  readonly message: string
  readonly startedAtMs: number | null
  readonly endedAtMs: number
  readonly result: Result
}

export type PayloadPaths = ReturnType<typeof pathsIn>

/** What is in the directory of a payload. */
export function pathsIn(directory: string) {
  const at = (name: string) => join(directory, name)
  return {
    directory,
    manifest: at('payload.json'),
    work: at('work'),
    home: at('home'),
    tmp: at('tmp'),
    start: at('start'),
    exit: at('exit'),
    sandbox: at('sandbox'),
    bounds: at('bounds.json'),
    stdout: at('stdout.log'),
    stderr: at('stderr.log'),
    kill: at('kill'),
    result: at('result.zip'),
    outcome: at('outcome.json'),
  }
}

export class PayloadFiles implements AsyncDisposable {
  readonly #root: string
  readonly #incoming: string
  readonly #trash: Trash

  /**
   * @param dataPath DATA_PATH
   * @param onStuck called with a discarded payload's path when it cannot be removed; it is tried
   *   again at the next start.
   */
  constructor(dataPath: string, onStuck: (path: string) => void = () => {}) {
    this.#root = resolve(dataPath, 'payloads')
    this.#incoming = join(this.#root, 'incoming')
    this.#trash = new Trash(join(this.#root, 'trash'), onStuck)
  }

  get lockFile(): string {
    return join(this.#root, 'lock')
  }

  get memoryFile(): string {
    return join(this.#root, 'client.sqlite')
  }

  /** What bubblewrap reads. */
  get sandboxDirectory(): string {
    return join(this.#root, 'sandbox')
  }

  /** Makes the directories. */
  async prepare(): Promise<void> {
    await makeDirectoriesDurably(this.#incoming)
    await makeDirectoriesDurably(this.#trash.directory)
  }

  paths(id: number): PayloadPaths {
    return pathsIn(join(this.#root, String(id)))
  }

  /** A new workspace for a payload of so many files. */
  receive(keeping: Keeping, mostFiles?: number): Workspace {
    return Workspace.create(join(this.#incoming, randomUUID()), 'work', keeping, mostFiles)
  }

  /**
   * Makes what was received a payload, as durable as it is kept: from here on it will be run.
   *
   * @throws Fault `no_space`, `broken_disk`; nothing is there then, unless a power cut brings back
   *   what was removed.
   */
  async publish(workspace: Workspace, manifest: Manifest): Promise<void> {
    const { home, tmp, manifest: file } = pathsIn(workspace.directory)
    const text = JSON.stringify(manifest)
    try {
      makeDirectories(home)
      makeDirectories(tmp)
      if (!workspace.isDurable) writeFileSync(file, text, { mode: 0o600 })
      // It has its name there at once, which is flushed together with the others.
      else await all([writeFlushed(file, text), workspace.flush()])
      crashPoint('submit: manifest written')
      await workspace.publish(this.paths(manifest.id).directory)
    } catch (error) {
      await this.remove(manifest.id)
      throw asFault(error)
    }
  }

  /**
   * Removes a payload: at once from sight, then from the disk.
   *
   * @returns `false` if something could not be removed; it is tried again at the next start. Never
   *   throws.
   */
  async remove(id: number): Promise<boolean> {
    const { directory } = this.paths(id)
    try {
      const discarded = this.#hide(id)
      return discarded === undefined || (await removeTree(discarded))
    } catch {
      return removeTree(directory)
    }
  }

  /**
   * Removes a payload from sight, and some time later from the disk.
   *
   * @returns `false` if it is there still; it is tried again at the next start. Never throws.
   */
  async discard(id: number): Promise<boolean> {
    try {
      if (this.#hide(id) !== undefined) this.#trash.filled()
      return true
    } catch {
      return removeTree(this.paths(id).directory)
    }
  }

  /** @returns where it is now; `undefined` if it was not there. */
  #hide(id: number): string | undefined {
    const discarded = join(this.#trash.directory, `${id}-${randomUUID()}`)
    try {
      renameSync(this.paths(id).directory, discarded)
    } catch (error) {
      if (systemCode(error) === 'ENOENT') return undefined
      throw error
    }
    crashPoint('remove: out of sight')
    return discarded
  }

  /** Removes what was discarded. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.#trash[Symbol.asyncDispose]()
  }

  /**
   * Removes what was being received or removed when an earlier process ended.
   *
   * @returns names of what cannot be removed.
   */
  async removeLeftovers(): Promise<string[]> {
    const stuck: string[] = []
    for (const parent of [this.#incoming, this.#trash.directory]) {
      for (const name of await readdir(parent)) {
        if (!(await removeTree(join(parent, name)))) stuck.push(join(parent, name))
      }
    }
    return stuck
  }

  /** Ids of all directories that are named like payloads, in order. */
  async ids(): Promise<number[]> {
    const names = await readdir(this.#root)
    return names
      .filter((name) => /^\d+$/.test(name))
      .map(Number)
      .toSorted((a, b) => a - b)
  }

  /** `undefined` if the directory is not a payload, or a power cut has left nothing of what it says. */
  manifest(id: number): Manifest | undefined {
    const text = readIfThere(this.paths(id).manifest)
    try {
      return text === undefined ? undefined : (JSON.parse(text) as Manifest)
    } catch {
      return undefined
    }
  }

  /** Notes, before its script is started, that one that waited may be started in this boot. */
  async noteBoot(id: number, bootId: string): Promise<void> {
    const manifest = this.manifest(id)
    await writeDurably(this.paths(id).manifest, JSON.stringify({ ...manifest, bootId }))
  }

  /** Whether there is a run.sh, as a regular file. */
  hasScript(id: number): boolean {
    const stats = statSync(join(this.paths(id).work, 'run.sh'), { throwIfNoEntry: false })
    return stats?.isFile() ?? false
  }

  /** When the supervising shell wrote its start record; `undefined` if it did not. */
  startedAtMs(id: number): number | undefined {
    const stats = statSync(this.paths(id).start, { throwIfNoEntry: false })
    return stats && Math.round(stats.mtimeMs)
  }

  /** `undefined` if the payload is not final. */
  outcome(id: number): Outcome | undefined {
    const text = readIfThere(this.paths(id).outcome)
    return text === undefined ? undefined : (JSON.parse(text) as Outcome)
  }

  /** Writes a small result, and makes its payload final; see `writeOutcome`. */
  async writeResult(id: number, outcome: Outcome, content: Content): Promise<void> {
    const { result } = this.paths(id)
    const { file } = await write(result, content).catch(async (error: unknown) => {
      await rm(result, { force: true })
      throw error
    })
    await this.writeOutcome(id, outcome, file)
  }

  /**
   * Makes a payload final, durably: its packed result first, then what became of it. Neither is there
   * when it throws.
   */
  async writeOutcome(id: number, outcome: Outcome, packed: NewFile): Promise<void> {
    const { outcome: file, result } = this.paths(id)
    try {
      await all([packed.flush(), writeFlushed(`${file}.part`, JSON.stringify(outcome))])
      crashPoint('pack: outcome written')
      await renameDurably(`${file}.part`, file)
    } catch (error) {
      // First what says that the other is whole.
      for (const one of [file, `${file}.part`, result]) await rm(one, { force: true })
      throw asFault(error)
    }
  }

  /** Notes why a payload is to be ended, so that it will be, whoever is there to do it. */
  async writeKillReason(id: number, reason: string): Promise<void> {
    await writeDurably(this.paths(id).kill, reason).catch((error: unknown) => {
      // The payload was removed meanwhile: there is nothing to end.
      if (systemCode(error) !== 'ENOENT') throw error
    })
  }

  killReason(id: number): string | undefined {
    return readIfThere(this.paths(id).kill)
  }
}
