/**
 * What bubblewrap reads, in a directory that no script sees:
 *
 *     <DATA_PATH>/payloads/sandbox/
 *       view       arguments that are the same for all scripts, each ended by a NUL
 *       filter     the program of seccomp.ts
 *       passwd, group, nsswitch.conf, hosts    of /etc, for scripts
 *       trial/     a payload that is none, with which it was tried
 */
import { hostname } from 'node:os'
import { renameSync, writeFileSync } from 'node:fs'
import { chmod } from 'node:fs/promises'
import { join } from 'node:path'
import { makeDirectories } from '../../files/directories.ts'
import { seccompProgram } from './seccomp.ts'
import type { Architecture } from './system-calls.ts'
import { inside, insideUser, systemView } from './system-view.ts'
import type { View } from './system-view.ts'

/** Writes them anew; a script that is being started finds each of them whole. */
export async function writeSandboxFiles(view: View): Promise<void> {
  const { filesDirectory } = view
  const { name, id } = insideUser
  makeDirectories(filesDirectory)
  const files = {
    view: systemView(view)
      .map((word) => `${word}\0`)
      .join(''),
    filter: seccompProgram(process.arch as Architecture),
    passwd: [
      'root:x:0:0::/root:/bin/false\n',
      `${name}:x:${id}:${id}::${inside.home}:/bin/bash\n`,
      'nobody:x:65534:65534::/:/bin/false\n',
    ].join(''),
    group: `root:x:0:\n${name}:x:${id}:\nnogroup:x:65534:\n`,
    'nsswitch.conf': 'passwd: files\ngroup: files\nhosts: files dns\nservices: files\n',
    hosts: `127.0.0.1 localhost ${hostname()}\n::1 localhost\n`,
  }
  for (const [file, content] of Object.entries(files)) {
    const path = join(filesDirectory, file)
    writeFileSync(`${path}.part`, content, { mode: 0o644 })
    renameSync(`${path}.part`, path)
    // Whatever the operator's umask: who reads them may be another user.
    await chmod(path, 0o644)
  }
  await chmod(filesDirectory, 0o755)
}
