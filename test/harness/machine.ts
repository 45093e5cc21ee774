/**
 * A machine that can lose its power: a file system of its own, a boot id of its own, and processes
 * of which nothing is left.
 *
 * The file system is ext4 in a file. The cut is FS_IOC_SHUTDOWN without a flush of its journal: what
 * was flushed is there when it is mounted again, and all that was only in memory is gone.
 */
import { execFile } from 'node:child_process'
import { mkdir, mkdtemp, readFile, readdir, readlink, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { randomUUID } from 'node:crypto'
import { setTimeout as delay } from 'node:timers/promises'
import { promisify } from 'node:util'
import { ensureCommand } from './debian.ts'
import { until } from './lab.ts'

const run = promisify(execFile)

const sizeMiB = 512
const bootIdFile = '/proc/sys/kernel/random/boot_id'

/** Perl is part of every Debian. 0x8004587d is FS_IOC_SHUTDOWN, 2 is "without flushing the log". */
const shutDown =
  'open(my $directory, "<", $ARGV[0]) or die "open: $!\\n"; my $how = pack("L", 2); ' +
  'ioctl($directory, 0x8004587d, $how) or die "ioctl: $!\\n"'

const commands = [
  ['mkfs.ext4', 'e2fsprogs'],
  ['losetup', 'mount'],
  ['perl', 'perl-base'],
] as const

/**
 * A namespace has copies of what is mounted when it is made, other machines' disks among them. As a
 * slave it drops them when they are unmounted; else they would be in use for as long as it lives.
 */
const unshare = ['unshare', '--mount', '--propagation', 'slave']

/** Becomes the program in a mount namespace with another boot id; $1 is the file that has it. */
const enter = `mount --bind "$1" ${bootIdFile} && shift && exec "$@"`

/**
 * How the file system keeps what is not flushed: all of it is allowed, and each loses something
 * else. Without `noauto_da_alloc` ext4 flushes some files of its own accord, which others do not.
 */
const mountOptions = [
  'commit=300,noauto_da_alloc',
  'commit=300,noauto_da_alloc,data=writeback',
  'commit=1,noauto_da_alloc',
  'commit=1,noauto_da_alloc,data=writeback',
] as const

/** @returns why power cuts cannot be tried here; `undefined` if they can. */
export async function whyNoMachine(): Promise<string | undefined> {
  for (const [command, packageName] of commands) {
    const missing = await ensureCommand(command, packageName)
    if (missing !== undefined) return missing
  }
  const directory = await mkdtemp(join(tmpdir(), 'job-orchestrator-test-'))
  try {
    await using machine = await Machine.create(join(directory, 'disk'))
    const [command = '', ...args] = machine.through
    await run(command, [...args, 'true'])
    return undefined
  } catch (error) {
    const [why] = String(error).split('\n')
    return `no file system in a file (root and loop devices are needed): ${why}`
  } finally {
    await rm(directory, { recursive: true, force: true })
  }
}

export class Machine implements AsyncDisposable {
  /** What is in it is on the machine's disk. */
  readonly directory: string
  readonly #image: string
  readonly #bootId: string
  #boots = 0
  #isBound = false
  #loop: string | undefined

  private constructor(directory: string) {
    this.directory = directory
    this.#image = `${directory}.img`
    this.#bootId = `${directory}.boot`
  }

  /**
   * Makes a machine and boots it.
   *
   * @param directory where its disk is mounted; what else it needs is kept beside it.
   */
  static async create(directory: string): Promise<Machine> {
    const machine = new Machine(directory)
    try {
      await mkdir(directory)
      // To be told of what is unmounted, others have to share what it was mounted on.
      await run('mount', ['--bind', directory, directory])
      machine.#isBound = true
      await run('mount', ['--make-shared', directory])
      await run('truncate', ['-s', `${sizeMiB}M`, machine.#image])
      await run('mkfs.ext4', ['-q', '-F', '-E', 'lazy_itable_init=0', machine.#image])
      await machine.boot()
      return machine
    } catch (error) {
      await machine[Symbol.asyncDispose]()
      throw error
    }
  }

  /** The command that runs a program on this machine, and becomes it. */
  get through(): readonly string[] {
    return [...unshare, 'sh', '-c', enter, 'sh', this.#bootId]
  }

  /** How its disk is mounted now. */
  get mountOptions(): string {
    return mountOptions[this.#boots % mountOptions.length] ?? ''
  }

  /** Mounts the disk, under a new boot id. */
  async boot(): Promise<void> {
    this.#boots++
    await writeFile(this.#bootId, `${randomUUID()}\n`)
    const { stdout } = await run('losetup', ['--find', '--show', this.#image])
    this.#loop = stdout.trim()
    await run('mount', ['-t', 'ext4', '-o', this.mountOptions, this.#loop, this.directory])
  }

  /**
   * Cuts the power. Nothing on the machine does or says anything any more; what was not flushed is
   * gone. The disk is out of sight until the next `boot`.
   */
  async cut(): Promise<void> {
    // Stopped first: what finds its disk gone and its memory still there could tell untruths.
    for (const pid of await this.processes()) signal(pid, 'SIGSTOP')
    await run('perl', ['-e', shutDown, this.directory])
    await this.#halt()
  }

  /** Ids of all processes on this machine: those in a mount namespace that has its boot id. */
  async processes(): Promise<number[]> {
    const bootId = await readFile(this.#bootId, 'utf8')
    const known = new Map<string, Promise<boolean>>()
    const found: number[] = []
    for (const name of await readdir('/proc')) {
      if (!/^\d+$/.test(name)) continue
      const namespace = await readlink(`/proc/${name}/ns/mnt`).catch(() => undefined)
      if (namespace === undefined) continue
      const root = `/proc/${name}/root`
      const answer = known.get(namespace) ?? readsAs(join(root, bootIdFile), bootId)
      known.set(namespace, answer)
      if (await answer) found.push(Number(name))
    }
    return found
  }

  /** Ends every process, and unmounts the disk as it is. */
  async #halt(): Promise<void> {
    for (;;) {
      const pids = await this.processes()
      if (pids.length === 0) break
      for (const pid of pids) signal(pid, 'SIGKILL')
      await delay(2)
    }
    // The first thread of a process may be gone, and others still have its files.
    await until('the disk is unmounted', () =>
      run('umount', [this.directory]).then(
        () => true,
        () => false,
      ),
    )
    await this.#detach()
  }

  /** The device goes when nobody has it mounted any more: the last namespace may be dying still. */
  async #detach(): Promise<void> {
    if (this.#loop === undefined) return
    await run('losetup', ['-d', this.#loop])
    this.#loop = undefined
    await until('the disk is not in use', async () => {
      return (await run('losetup', ['-j', this.#image])).stdout === ''
    })
  }

  /** Whatever has failed before, nothing stays mounted. */
  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#loop !== undefined) {
      await this.#halt().catch(async () => {
        await run('umount', ['--lazy', this.directory]).catch(() => {})
        await this.#detach()
      })
    }
    if (this.#isBound) await run('umount', [this.directory]).catch(() => {})
    for (const path of [this.directory, this.#image, this.#bootId]) {
      await rm(path, { recursive: true, force: true })
    }
  }
}

async function readsAs(file: string, text: string): Promise<boolean> {
  return (await readFile(file, 'utf8').catch(() => undefined)) === text
}

function signal(pid: number, name: NodeJS.Signals): void {
  try {
    process.kill(pid, name)
  } catch {
    // It has ended meanwhile.
  }
}
