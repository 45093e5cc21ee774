/**
 * A root file system that has the executable, bash, the libraries that these two link, and nothing
 * else: no `ls`, no `/bin/sh`, no configuration.
 */
import { execFile } from 'node:child_process'
import { constants } from 'node:fs'
import { chmod, copyFile, mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { promisify } from 'node:util'

const run = promisify(execFile)

/** Enters the root with what the kernel gives, and the current directory. */
const enter = (root: string, unshare: string, hasProc: boolean) => `#!/bin/sh
exec ${unshare} sh -c '
  root=$1; shift
  ${hasProc ? 'mount --rbind /proc "$root/proc" && ' : ''}mount --bind /dev/null "$root/dev/null" &&
    mkdir -p "$root$PWD" && mount --bind "$PWD" "$root$PWD" || exit 126
  exec chroot "$root" /bin/bash -c '\\''cd "$0" && exec /job-orchestrator "$@"'\\'' "$PWD" "$@"
' - '${root}' "$@"
`

export class BareRoot implements AsyncDisposable {
  /** Starts the program inside, in the current directory, which is there too. */
  readonly launcher: string
  /** The same, where nobody has mounted /proc. */
  readonly launcherWithoutProc: string
  /** Every file in it. */
  readonly files: readonly string[]
  readonly #directory: string

  private constructor(directory: string, launcher: string, files: readonly string[]) {
    this.#directory = directory
    this.launcher = launcher
    this.launcherWithoutProc = `${launcher}-without-proc`
    this.files = files
  }

  /** Returns why it cannot be made, if nobody here may change the root. */
  static async create(executable: string): Promise<BareRoot | string> {
    const mayAll = process.getuid?.() === 0
    const unshare = mayAll ? 'unshare --mount' : 'unshare --map-root-user --mount'
    try {
      await run('sh', ['-c', `${unshare} chroot / true`])
    } catch {
      return 'this system lets no one have mounts and a root of his own (unshare, chroot)'
    }
    const directory = await mkdtemp(join(tmpdir(), 'job-orchestrator-root-'))
    const root = join(directory, 'root')
    for (const name of ['proc', 'dev', 'bin']) await mkdir(join(root, name), { recursive: true })
    await writeFile(join(root, 'dev', 'null'), '')
    await writeFile(join(root, 'job-orchestrator'), '')
    const { stdout } = await run('sh', ['-c', 'command -v bash'])
    const bash = stdout.trim()
    const libraries = new Set([...(await librariesOf(executable)), ...(await librariesOf(bash))])
    await copyFile(bash, join(root, 'bin', 'bash'))
    await copyFile(executable, join(root, 'job-orchestrator'), constants.COPYFILE_FICLONE)
    await chmod(join(root, 'job-orchestrator'), 0o755)
    for (const library of libraries) {
      await mkdir(join(root, dirname(library)), { recursive: true })
      await copyFile(library, join(root, library))
    }
    const launcher = join(directory, 'job-orchestrator')
    const files = ['/bin/bash', '/job-orchestrator', ...libraries]
    const bare = new BareRoot(directory, launcher, files)
    await writeFile(bare.launcher, enter(root, unshare, true), { mode: 0o755 })
    await writeFile(bare.launcherWithoutProc, enter(root, unshare, false), { mode: 0o755 })
    return bare
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await rm(this.#directory, { recursive: true, force: true })
  }
}

/** Paths of the libraries that the loader takes for an executable, itself among them. */
export async function librariesOf(executable: string): Promise<string[]> {
  const { stdout } = await run('ldd', [executable])
  return [...stdout.matchAll(/(?:^\s+|=> )(\/\S+)/gm)].map(([, path = '']) => path)
}
