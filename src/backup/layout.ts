/** The database of a backup; the files beside it are laid out as a server's own. */
export const backupDatabase = 'db.sqlite'
