/** The help texts, from the list of settings. */
import { limitKinds, limitNames } from '../domain/limits.ts'
import { settingsOf } from '../config/config.ts'
import { backupFlags, restoreFlags } from '../config/backup-config.ts'
import type { CommandFlags } from '../config/command-flags.ts'
import { importFlags } from '../config/import-config.ts'
import type { Mode } from '../config/settings.ts'
import { createFlags } from '../config/token-config.ts'

export const generalHelp = `Usage: job-orchestrator server [settings]
       job-orchestrator client [settings]
       job-orchestrator import --from FILE --data DIRECTORY [settings]
       job-orchestrator backup --to DIRECTORY [settings]
       job-orchestrator restore --from DIRECTORY [settings]
       job-orchestrator token create|list|revoke [settings]

Takes jobs over HTTP, runs them on compute nodes, and brings the results back.

  server    takes jobs, keeps them, sends them to clients, serves their results
  client    sits on a compute node and runs what the server sends
  import    brings the jobs of a server of version 2.2.3 over, once
  backup    copies a server's database and files, while it runs
  restore   brings a backup back, while no server runs
  token     makes, lists and revokes tokens, which applications send to a server

  --help       this text; after one of these, its settings
  --version    the version of this program
  --licenses   the licences of what is built in

Started without settings in two terminals, the two are a working system with a
service "example". Then, for instance:

  curl -F user_id=1 -F service=example -F file=@run.sh http://127.0.0.1:5000/upload
`

const purposes: Readonly<Record<Mode, string>> = {
  server: 'Takes jobs over HTTP, sends them to clients, and serves their results.',
  client: 'Runs the payloads that a server sends.',
}

/** One line for each. */
const limitsHelp = limitNames
  .map((name) => {
    const { field, what } = limitKinds[name]
    return `  SERVICE_<NAME>_${field.toUpperCase()}\n                                 ${what}\n`
  })
  .join('')

const serviceHelp = `
Services (environment only; <NAME> may contain underscores):
  SERVICE_<NAME>_UPLOAD_URL      where its clients take payloads, separated by
                                 commas, such as http://node1:9000/submit
  SERVICE_<NAME>_DOWNLOAD_URL    where they give results, in the same order
                                 (the upload URL with .../retrieve)
  SERVICE_<NAME>_TERMINATE_URL   where they end payloads, in the same order
                                 (the upload URL with .../kill)
  SERVICE_<NAME>_RUNS_PER_USER   active jobs of one user at once (5)
  SERVICE_<NAME>_MAX_RUNS        active jobs of the service at once (10)
  SERVICE_<NAME>_MAX_RUNTIME     longest time that a script may run (no limit)
  SERVICE_<NAME>_MAX_QUEUED_PER_USER
                                 queued jobs of one user (no limit)
${limitsHelp}`

const secretHelp = `
By environment only, for a command line can be read by all:
  CLUSTER_SECRET                 the secret itself, without a file
`

const units = `
Times take ms, s, min, h, d (a bare number is seconds); sizes take KiB, MiB, GiB,
KB, MB, GB (a bare number is bytes). A flag wins over its environment variable.
`

/** All settings of a mode: flag, variable, default, meaning. */
export function modeHelp(mode: Mode): string {
  const settings = settingsOf(mode).map(([, { flag, value, env, help, fallback }]) => {
    const usual = fallback[mode] === null ? '' : ` (${fallback[mode]})`
    return `${`  --${flag} ${value}`.trimEnd()}\n      ${env}: ${help}${usual}\n`
  })
  return (
    `Usage: job-orchestrator ${mode} [settings]\n\n${purposes[mode]}\n\n` +
    `Settings: flag, environment variable, meaning, default in parentheses\n${settings.join('')}` +
    secretHelp +
    (mode === 'server' ? serviceHelp : '') +
    units
  )
}

/** What can be said to `import`: flag, variable, default, meaning. */
export const importHelp =
  `Usage: job-orchestrator import --from FILE --data DIRECTORY [settings]

Brings the jobs, their history and their results of a server of job-orchestrator
2.2.3 over into a database of this version, under their old ids. While 2.2.3 runs,
only what has ended comes over; stop it and run this again for the rest. It may
always be run again, also after it was cut short: it goes on where it was.

` +
  flagsHelp(importFlags) +
  `
What ended longer ago than MAX_AGE is brought over and counted; a server removes
its files then. See docs/switching.md.
`

/** What can be said to `backup`. */
export const backupHelp =
  `Usage: job-orchestrator backup --to DIRECTORY [settings]

Copies a server's database and the files of its jobs, while it runs or not. What
an earlier backup in that directory has is not copied again; until all is there,
the earlier one stays as it is. It may always be run again, also after it was cut
short.

` +
  flagsHelp(backupFlags) +
  `
See docs/operations.md.
`

/** What can be said to `restore`. */
export const restoreHelp =
  `Usage: job-orchestrator restore --from DIRECTORY [settings]

Makes a server what it was at the time of a backup. The server has to be stopped.
The database that is there is set aside, and so is what belongs to no job of the
backup; nothing is deleted. New jobs get ids that no job had. It may always be run
again; after one that was cut short it has to be.

` +
  flagsHelp(restoreFlags) +
  `
See docs/operations.md.
`

/** What can be said to `token`. */
export const tokenHelp =
  `Usage: job-orchestrator token create --name NAME --scope LIST [settings]
       job-orchestrator token list [--db-path FILE]
       job-orchestrator token revoke NAME|ID [--db-path FILE]

Makes, lists and revokes the tokens that applications send to a server, in a header
"Authorization: Bearer TOKEN". Works on the server's database, as the user that the
server runs as, while it runs or not; what is revoked ends at once. A new token is
told once, on standard output; only its hash is kept. From the first token on, the
server lets nobody in without one, also when all have been revoked.

create:
` +
  flagsHelp(createFlags) +
  `
Scopes: submit (upload), read (download, look at a job), terminate (end a job).
See docs/security.md.
`

function flagsHelp({ own, settings, switches }: CommandFlags): string {
  const flags = [...own, ...settings].map(({ flag, value, help, env, usual }) => {
    const from = env === undefined ? '' : `${env}: `
    return `  --${flag} ${value}\n      ${from}${help}${usual == null ? '' : ` (${usual})`}\n`
  })
  return [...flags, ...switches.map(({ flag, help }) => `  --${flag}\n      ${help}\n`)].join('')
}
