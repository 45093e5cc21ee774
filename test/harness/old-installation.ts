/** An installation of job-orchestrator 2.2.3, as its server leaves it: made by hand from its schema. */
import { randomUUID } from 'node:crypto'
import { mkdirSync, utimesSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { buffer } from 'node:stream/consumers'
import { ZipFile } from 'yazl'

const schema = `create table if not exists jobs (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  user_id INTEGER NOT NULL,
  service TEXT NOT NULL,
  status TEXT NOT NULL,
  loc TEXT NOT NULL,
  dest_id INTEGER,
  created_at DATETIME DEFAULT CURRENT_TIMESTAMP
)`

export type OldJobSettings = {
  readonly user?: number
  readonly service?: string
  /** Files in its directory; `null`: there is no directory. */
  readonly files?: Readonly<Record<string, string | Uint8Array>> | null
  /** 2.2.3 stores where it is below its DATA_PATH, which may be relative. */
  readonly dataPath?: string
  /** UTC, as SQLite writes it. */
  readonly createdAt?: string
  /** When output.zip was written. */
  readonly endedAt?: Date
}

export class OldInstallation implements Disposable {
  readonly dbPath: string
  readonly dataPath: string
  readonly database: DatabaseSync

  /** @param pragmas for the database. */
  constructor(directory: string, pragmas = '') {
    this.dbPath = join(directory, 'old.sqlite')
    this.dataPath = join(directory, 'old-data')
    mkdirSync(this.dataPath)
    this.database = new DatabaseSync(this.dbPath)
    this.database.exec(`${pragmas};${schema}`)
  }

  /** Adds a job in one of 2.2.3's statuses, which it writes in lower case. */
  add(status: string, settings: OldJobSettings = {}): number {
    const { user = 7, service = 'example', dataPath = this.dataPath, endedAt } = settings
    const { files = { 'run.sh': 'echo ran > out.txt', 'in.txt': `of ${status}` } } = settings
    const { createdAt = '2026-01-02 03:04:05' } = settings
    const name = randomUUID()
    const directory = join(this.dataPath, name)
    if (files) {
      mkdirSync(directory)
      for (const [file, content] of Object.entries(files)) {
        writeFileSync(join(directory, file), content)
        if (file === 'output.zip' && endedAt) utimesSync(join(directory, file), endedAt, endedAt)
      }
    }
    const sent = status === 'queued' ? null : 1000 + user
    const sql = `insert into jobs (user_id, service, status, loc, dest_id, created_at)
      values (?, ?, ?, ?, ?, ?)`
    const statement = this.database.prepare(sql)
    const loc = `${dataPath}/${name}`
    return Number(statement.run(user, service, status, loc, sent, createdAt).lastInsertRowid)
  }

  /** Its server ends. */
  [Symbol.dispose](): void {
    if (this.database.isOpen) this.database.close()
  }
}

/** A result as 2.2.3 has it. */
export async function makeZip(files: Readonly<Record<string, string>>): Promise<Buffer> {
  const zip = new ZipFile()
  for (const [name, content] of Object.entries(files)) zip.addBuffer(Buffer.from(content), name)
  zip.end()
  return buffer(zip.outputStream)
}
