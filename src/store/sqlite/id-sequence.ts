/** The ids that were given to jobs: SQLite's own sequence, which never goes back. */
import type { DatabaseSync } from 'node:sqlite'
import { integer } from './rows.ts'

const given = "select coalesce((select seq from sqlite_sequence where name = 'jobs'), 0) as id"

/** The highest id that was ever given; 0 without any. */
export function highestIdOf(database: DatabaseSync): number {
  return integer(database.prepare(given).get() ?? {}, 'id')
}

/** New jobs get ids above this one. */
export function reserveIdsUpTo(database: DatabaseSync, id: number): void {
  if (id <= highestIdOf(database)) return
  database.exec('begin immediate')
  try {
    database.exec("delete from sqlite_sequence where name = 'jobs'")
    database.prepare("insert into sqlite_sequence (name, seq) values ('jobs', ?)").run(id)
    database.exec('commit')
  } catch (error) {
    if (database.isTransaction) database.exec('rollback')
    throw error
  }
}
