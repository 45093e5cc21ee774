/** What a script sees of the system, as arguments of bubblewrap that are the same for all scripts. */
import { existsSync, lstatSync, readdirSync, readlinkSync, realpathSync } from 'node:fs'
import { join, relative } from 'node:path'

/** Where a script finds what is its own; the same at every client, in every attempt. */
export const inside = { work: '/work', home: '/home/job', tmp: '/tmp' } as const

/** Whom a script takes itself for, whoever it is outside. */
export const insideUser = { name: 'job', id: 1000 } as const

const programs = ['/usr', '/bin', '/sbin', '/lib', '/lib32', '/lib64', '/libx32']

/** What programs below /usr read or link to elsewhere, and that tells nothing of this machine's users, networks or secrets. */
const settings = [
  ['/etc/ld.so.cache', '/etc/ld.so.conf', '/etc/ld.so.conf.d', '/etc/alternatives'],
  ['/etc/ssl/certs', '/etc/ssl/openssl.cnf', '/etc/ca-certificates', '/etc/ca-certificates.conf'],
  ['/etc/pki/tls/certs', '/etc/pki/tls/cert.pem', '/etc/pki/ca-trust', '/etc/crypto-policies'],
  ['/etc/localtime', '/etc/timezone', '/etc/locale.alias', '/etc/mime.types', '/etc/magic'],
  ['/etc/os-release', '/etc/lsb-release', '/etc/fonts', '/etc/groff', '/etc/X11/rgb.txt'],
  ['/etc/R', '/etc/perl', '/etc/python3', '/etc/openmpi', '/etc/gdal', '/etc/OpenCL'],
  ['/etc/texmf', '/etc/ghostscript', '/var/lib/texmf', '/var/lib/ghostscript'],
  ['/etc/protocols', '/etc/services', '/etc/papersize', '/etc/bash.bashrc', '/etc/profile.d'],
].flat()

/** Where /usr/lib/jvm of Debian, and of Fedora, links to. */
function javaSettings(): string[] {
  return ['/etc', '/etc/java']
    .filter((path) => existsSync(path))
    .flatMap((directory) =>
      readdirSync(directory)
        .filter((name) => /^java-.*openjdk/.test(name))
        .map((name) => join(directory, name)),
    )
}

/** What a script that may use the network needs to find others by their names. */
export const networkSettings = ['/etc/resolv.conf', '/etc/gai.conf', '/etc/host.conf']

/** Processors and memory: what OpenMP and MPI look at to place threads. */
const hardware = '/sys/devices/system'

export type View = {
  /** Where `passwd`, `group`, `hosts` and `nsswitch.conf` of scripts are. */
  readonly filesDirectory: string
  /** BIND_RO and BIND_DEV. */
  readonly bindRo: readonly string[]
  readonly bindDev: readonly string[]
  /** Files and directories that no script may see, by their real paths. */
  readonly hidden: readonly string[]
}

/** @returns arguments, to come after those that bind a payload's own directories. */
export function systemView({ filesDirectory, bindRo, bindDev, hidden }: View): string[] {
  const own = ['passwd', 'group', 'nsswitch.conf']
  return [
    programs.flatMap(bindProgram),
    ['/etc', '/home', '/run', '/var'].flatMap((path) => ['--perms', '0755', '--dir', path]),
    ['--symlink', inside.tmp, '/var/tmp'],
    [...settings, ...javaSettings()]
      .filter((path) => existsSync(path))
      .flatMap((path) => bindWhileThere(path)),
    own.flatMap((name) => bind(`${filesDirectory}/${name}`, `/etc/${name}`)),
    existsSync(hardware) ? bind(hardware) : [],
    ['--proc', '/proc', '--dev', '/dev', '--perms', '1777', '--tmpfs', '/dev/shm'],
    bindDev.flatMap((path) => ['--dev-bind', path, path]),
    ['--remount-ro', '/dev'],
    bindRo.flatMap((path) => bind(path)),
    hidden
      .filter((path) => existsSync(path))
      .flatMap((path) => placesOf(path, bindRo).flatMap((place) => hide(path, place))),
  ].flat()
}

function bind(path: string, there = path): string[] {
  return ['--ro-bind', path, there]
}

/** A package that is removed takes its settings with it. */
function bindWhileThere(path: string): string[] {
  return ['--ro-bind-try', path, path]
}

/** On most systems `/bin` is a link into `/usr`. */
function bindProgram(path: string): string[] {
  const stats = lstatSync(path, { throwIfNoEntry: false })
  if (stats?.isSymbolicLink()) return ['--symlink', readlinkSync(path), path]
  return stats?.isDirectory() ? bind(path) : []
}

/** Where scripts would see a path, which is a real one; a directory of BIND_RO may be a link. */
function placesOf(path: string, bindRo: readonly string[]): string[] {
  const places = programs.some((seen) => isWithin(path, seen)) ? [path] : []
  for (const there of bindRo) {
    const real = existsSync(there) ? realpathSync.native(there) : there
    if (isWithin(path, real)) places.push(join(there, relative(real, path)))
  }
  return [...new Set(places)]
}

function hide(path: string, place: string): string[] {
  return lstatSync(path).isDirectory() ? ['--tmpfs', place] : ['--ro-bind', '/dev/null', place]
}

/** Whether a path is a directory or something in it; both are absolute and normal. */
function isWithin(path: string, directory: string): boolean {
  return path === directory || path.startsWith(directory === '/' ? '/' : `${directory}/`)
}
