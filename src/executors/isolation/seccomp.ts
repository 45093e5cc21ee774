/**
 * The filter of system calls that scripts run under: a program of classic BPF, as the kernel takes
 * it (seccomp(2)). It allows what it does not name, so that programs of any kind run, and refuses
 * what nobody needs to compute: changes of the system, namespaces, and what has often been a way
 * into the kernel.
 */
import { constants } from 'node:os'
import { architectures, numberOf } from './system-calls.ts'
import type { Architecture, SystemCall } from './system-calls.ts'

/** Refused with EPERM. */
const refused: readonly SystemCall[] = [
  // Namespaces, mounts and roots.
  ['chroot', 'fsconfig', 'fsmount', 'fsopen', 'fspick', 'mount', 'mount_setattr'] as const,
  ['move_mount', 'open_tree', 'pivot_root', 'setns', 'umount2', 'unshare'] as const,
  // The machine: its name, its clock, its swap, its kernel, its log.
  ['acct', 'adjtimex', 'clock_adjtime', 'clock_settime', 'settimeofday'] as const,
  ['delete_module', 'finit_module', 'init_module', 'kexec_file_load', 'kexec_load'] as const,
  ['nfsservctl', 'quotactl', 'quotactl_fd', 'reboot', 'setdomainname', 'sethostname'] as const,
  ['swapoff', 'swapon', 'syslog', 'uselib', 'vhangup', 'ioperm', 'iopl'] as const,
  // Looking into others, and keys that are not the script's.
  ['add_key', 'keyctl', 'request_key', 'ptrace', 'perf_event_open', 'lookup_dcookie'] as const,
  ['bpf', 'fanotify_init', 'open_by_handle_at', 'userfaultfd'] as const,
].flat()

/**
 * Refused with ENOSYS: programs have another way then. What clone3 is to do no filter can read, and
 * io_setup takes from what all of the machine has (`fs.aio-max-nr`), databases among it.
 */
const unknown: readonly SystemCall[] = [
  'clone3',
  'io_setup',
  'io_uring_enter',
  'io_uring_register',
  'io_uring_setup',
]

/** CLONE_NEWNS, NEWCGROUP, NEWUTS, NEWIPC, NEWUSER, NEWPID and NEWNET. */
const newNamespaces = 0x7e020000

/** TIOCSTI types into a terminal, TIOCLINUX pastes into one. */
const terminalInput = [0x5412, 0x541c]

/** F_SETLEASE: whoever opens the file next, the client too, would wait until the lease is given up. */
const leases = [1024]

/** AF_UNIX, AF_INET, AF_INET6 and AF_NETLINK; AF_VSOCK for instance knows no network namespaces. */
const socketFamilies = [1, 2, 10, 16]

/** The x32 calls of x86-64 are numbered from here on. */
const firstX32Call = 0x40000000

const load = 0x20
const jumpIfEqual = 0x15
const jumpIfAtLeast = 0x35
const jumpIfAnySet = 0x45
const give = 0x06

const allow = 0x7fff0000
const killProcess = 0x80000000
const fail = (code: number) => 0x00050000 | code

/** Offsets in `struct seccomp_data`; of arguments the lower half, which is all that counts here. */
const callNumber = 0
const architectureOf = 4
const argument = (index: number) => 16 + 8 * index

type Instruction = readonly [code: number, ifTrue: number, ifFalse: number, value: number]

/** @returns the program for `bwrap --seccomp`. */
export function seccompProgram(architecture: Architecture): Buffer {
  const { EPERM, ENOSYS, EAFNOSUPPORT } = constants.errno
  const program: Instruction[] = [
    [load, 0, 0, architectureOf],
    [jumpIfEqual, 1, 0, architectures[architecture].audit],
    [give, 0, 0, killProcess],
    [load, 0, 0, callNumber],
    [jumpIfAtLeast, 0, 1, firstX32Call],
    [give, 0, 0, fail(ENOSYS)],
  ]
  /** For this call the rest is as said; all others pass it by. */
  const when = (call: SystemCall, then: readonly Instruction[]) => {
    const number = numberOf(call, architecture)
    if (number !== undefined) program.push([jumpIfEqual, 0, then.length, number], ...then)
  }
  for (const call of refused) when(call, [[give, 0, 0, fail(EPERM)]])
  for (const call of unknown) when(call, [[give, 0, 0, fail(ENOSYS)]])
  when('clone', [
    [load, 0, 0, argument(0)],
    [jumpIfAnySet, 0, 1, newNamespaces],
    [give, 0, 0, fail(EPERM)],
    [give, 0, 0, allow],
  ])
  for (const [call, requests] of [['ioctl', terminalInput] as const, ['fcntl', leases] as const]) {
    when(call, [
      [load, 0, 0, argument(1)],
      ...requests.flatMap((request): Instruction[] => [
        [jumpIfEqual, 0, 1, request],
        [give, 0, 0, fail(EPERM)],
      ]),
      [give, 0, 0, allow],
    ])
  }
  for (const call of ['socket', 'socketpair'] as const) {
    when(call, [
      [load, 0, 0, argument(0)],
      ...socketFamilies.flatMap((family): Instruction[] => [
        [jumpIfEqual, 0, 1, family],
        [give, 0, 0, allow],
      ]),
      [give, 0, 0, fail(EAFNOSUPPORT)],
    ])
  }
  program.push([give, 0, 0, allow])
  return encode(program)
}

/** As `struct sock_filter`s. */
function encode(program: readonly Instruction[]): Buffer {
  const bytes = Buffer.alloc(8 * program.length)
  for (const [index, [code, ifTrue, ifFalse, value]] of program.entries()) {
    bytes.writeUInt16LE(code, 8 * index)
    bytes.writeUInt8(ifTrue, 8 * index + 2)
    bytes.writeUInt8(ifFalse, 8 * index + 3)
    bytes.writeUInt32LE(value >>> 0, 8 * index + 4)
  }
  return bytes
}
