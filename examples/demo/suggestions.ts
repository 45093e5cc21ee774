import { exampleDirectory, exampleFiles } from './job.ts'
import type { Addresses } from './system.ts'

/** What a stranger may try while the demo's server and client run; the demo itself sent job 1. */
export function suggestions({ client, server }: Addresses): string {
  const files = exampleFiles.map((name) => `-F file=@${name}`).join(' ')
  const who = '-F user_id=you -F service=example'
  return `Both go on running, until you press Ctrl-C. To try in another terminal:

How the server, its service and its client are:
  curl ${server}/health

The example once more; the answer has its id, which is 2 the first time:
  (cd ${quote(exampleDirectory)} && curl ${who} ${files} ${server}/upload)

All that is known of it, and its result:
  curl ${server}/jobs/2
  curl -o result.zip ${server}/download/2

A job that would take ten minutes, and its end:
  echo 'sleep 600' | curl ${who} -F 'file=@-;filename=run.sh' ${server}/upload
  curl -X POST ${server}/terminate/3

How busy the client is, in percent:
  curl ${client}/load

The whole API, in a browser:
  ${server}/swagger-ui/

What happens to your jobs:`
}

/** For a shell. */
function quote(text: string): string {
  return /^[\w./-]+$/.test(text) ? text : `'${text.replaceAll("'", `'\\''`)}'`
}
