import { exampleDirectory, exampleFiles } from './job.ts'
import type { Addresses } from './system.ts'

/**
 * What a stranger may try while the demo's programs run.
 *
 * @param next the id of the next job.
 */
export function suggestions({ clients, server }: Addresses, next: number): string {
  const loads = [...clients.values()].map((address) => `  curl ${address}/load`).join('\n')
  const files = exampleFiles.map((name) => `-F file=@${name}`).join(' ')
  const who = '-F user_id=you -F service=example'
  return `All go on running, until you press Ctrl-C. To try in another terminal:

How the server, its service and its clients are:
  curl ${server}/health

The example once more; the answer has its id, which is ${next} the first time:
  (cd ${quote(exampleDirectory)} && curl ${who} ${files} ${server}/upload)

All that is known of it, and its result:
  curl ${server}/jobs/${next}
  curl -o result.zip ${server}/download/${next}

A job that would take ten minutes, and its end:
  echo 'sleep 600' | curl ${who} -F 'file=@-;filename=run.sh' ${server}/upload
  curl -X POST ${server}/terminate/${next + 1}

How busy the clients are, in percent:
${loads}

The whole API, in a browser:
  ${server}/swagger-ui/

What happens to your jobs:`
}

/** For a shell. */
function quote(text: string): string {
  return /^[\w./-]+$/.test(text) ? text : `'${text.replaceAll("'", `'\\''`)}'`
}
