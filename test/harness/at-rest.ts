/** What servers and clients have on disk, and which scripts are alive, when nothing is to be done. */
import { readdir } from 'node:fs/promises'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { findScripts } from '../../examples/demo/scripts.ts'

/** Where a server and its clients keep their data. */
export type Directories = {
  readonly server: { readonly dataPath: string; readonly dbPath: string }
  /** DATA_PATH of each client. */
  readonly clients: readonly string[]
}

/** Ids of all jobs in a server's database, which may be in use. */
export function jobIdsIn(dbPath: string): number[] {
  const database = new DatabaseSync(dbPath, { readOnly: true, timeout: 10_000 })
  try {
    const rows = database.prepare('select id from jobs order by id').all()
    return rows.map(({ id }) => Number(id))
  } finally {
    database.close()
  }
}

/** What should not be there any more; each is named as a person would look for it. */
export async function findLeft(
  { server, clients }: Directories,
  idsThere: readonly number[],
): Promise<string[]> {
  const found = await Promise.all([
    findLeftAtServer(join(server.dataPath, 'jobs'), new Set(idsThere)),
    ...clients.map((dataPath) => findLeftAtClient(join(dataPath, 'payloads'))),
    ...clients.map(findAlive),
  ])
  return found.flat()
}

async function findLeftAtServer(root: string, ids: ReadonlySet<number>): Promise<string[]> {
  const left: string[] = []
  for (const name of await readdir(root)) {
    const path = join(root, name)
    if (name === 'incoming') left.push(...(await readdir(path)).map((entry) => join(path, entry)))
    else if (!['lock', 'server'].includes(name) && !ids.has(Number(name))) left.push(path)
    else if (ids.has(Number(name))) {
      const entries = await readdir(path)
      const strange = entries.filter((entry) => !/^(input|result\.\d+\.zip)$/.test(entry))
      left.push(...strange.map((entry) => join(path, entry)))
    }
  }
  return left
}

async function findLeftAtClient(root: string): Promise<string[]> {
  const left: string[] = []
  for (const name of await readdir(root)) {
    const path = join(root, name)
    if (name === 'incoming' || name === 'trash') {
      left.push(...(await readdir(path)).map((entry) => join(path, entry)))
    } else if (
      !['lock', 'sandbox', 'cgroups.json'].includes(name) &&
      !name.startsWith('client.sqlite')
    )
      left.push(path)
  }
  return left
}

async function findAlive(dataPath: string): Promise<string[]> {
  return (await findScripts(dataPath)).map((pid) => `process ${pid} of a script below ${dataPath}`)
}
