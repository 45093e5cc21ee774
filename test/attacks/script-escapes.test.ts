/** Scripts that want out: into other namespaces, other roots, other processes, the kernel. */
import { systemCall, tryAttacks } from '../harness/attack.ts'

const newUserNamespace = 0x10000000

/** `struct clone_args` of clone3, with the flags of `unshare --user` and SIGCHLD. */
const cloneArguments = `pack("Q<11", ${newUserNamespace}, 0, 0, 0, 17, 0, 0, 0, 0, 0, 0)`

tryAttacks('a script that escapes', [
  {
    name: 'into a user namespace, by unshare',
    script: () => 'unshare --user true && echo harm',
  },
  {
    name: 'into a user namespace, by clone',
    script: () =>
      `perl -e '$p = syscall(${process.arch === 'arm64' ? 220 : 56}, ${newUserNamespace} | 17, 0, 0, 0, 0);
         exit if $p == 0; print "harm\\n" if $p > 0'`,
  },
  {
    name: 'into a user namespace, by clone3',
    script: () =>
      `perl -e '$a = ${cloneArguments}; $p = syscall(435, $a, 88);
         exit if $p == 0; print "harm\\n" if $p > 0'`,
  },
  {
    name: 'into the namespaces of another process',
    script: ({ clientPid }) => `nsenter --target ${clientPid} --mount true && echo harm`,
    without: 'succeeds for root',
  },
  {
    name: 'by a mount',
    script: () => 'mount -t tmpfs none "$TMPDIR" && umount "$TMPDIR" && echo harm',
    without: 'succeeds for root',
  },
  {
    name: 'by making what is read-only writable',
    script: () =>
      'mount -o remount,bind,rw /usr 2>&1; touch /usr/harm && rm /usr/harm && echo harm',
    without: 'succeeds for root',
  },
  {
    name: 'into another root',
    script: () => 'chroot / true && echo harm',
    without: 'succeeds for root',
  },
  {
    name: 'by a file handle, past all directories',
    // open_by_handle_at of nothing: refused to whom the call is refused, and wrong to others.
    script: () =>
      `perl -e '$h = pack("LL", 0, 0) . "x" x 128; syscall(${process.arch === 'arm64' ? 265 : 304}, 0, $h, 0);
         print "harm\\n" if $! != 1'`,
    without: 'succeeds for root',
  },
  {
    name: 'by killing the daemon',
    script: ({ clientPid }) => `kill -0 ${clientPid} && echo harm`,
  },
  {
    name: 'by stopping a supervising shell',
    script: () =>
      `for shell in $(grep -ls 'directory/start' /proc/*/cmdline); do
         shell=\${shell#/proc/}; kill -0 "\${shell%/*}" && echo harm; done; exit 0`,
  },
  {
    name: "by killing another user's job",
    script: ({ victimPid }) => `kill -0 ${victimPid} && echo harm`,
  },
  {
    name: 'by tracing the daemon',
    // PTRACE_SEIZE stops nobody.
    script: ({ clientPid }) =>
      `perl -e 'print "harm\\n" if ${systemCall(101, 117, '0x4206', String(clientPid), '0', '0')}'`,
  },
  {
    name: 'by tracing what is its own',
    script: () =>
      `sleep 10 & perl -e 'print "harm\\n" if ${systemCall(101, 117, '0x4206', '$ARGV[0] + 0', '0', '0')}' $!`,
  },
  {
    name: 'by typing into a terminal',
    script: () =>
      `perl -e 'open(T, "+<", "/dev/ptmx") or die; $c = "x"; ioctl(T, 0x5412, $c); print "harm\\n" if $! != 1'`,
    without: 'succeeds for root',
  },
  {
    name: "by the kernel's settings",
    script: () =>
      `name=$(</proc/sys/kernel/hostname); echo "$name" >/proc/sys/kernel/hostname && echo harm`,
    without: 'succeeds for root',
  },
  {
    name: 'into another cgroup',
    script: () =>
      `for group in /sys/fs/cgroup /sys/fs/cgroup/*/; do
         mkdir "$group/harm-$$" && rmdir "$group/harm-$$" && echo harm; done; exit 0`,
    without: 'succeeds for root',
  },
  {
    name: 'by loading a program into the kernel',
    // BPF_MAP_CREATE with nonsense: refused, or found wrong.
    script: () =>
      `perl -e '$a = "\\0" x 64; syscall(${process.arch === 'arm64' ? 280 : 321}, 0, $a, 64); print "harm\\n" if $! != 1'`,
    without: 'succeeds for root',
  },
  {
    name: 'by a socket that reads what passes on the network',
    // AF_PACKET
    script: () => `perl -e 'print "harm\\n" if socket(S, 17, 3, 0)'`,
    without: 'succeeds for root',
  },
  {
    name: 'with more rights, which a setuid program could give',
    script: () => `grep -q 'NoNewPrivs:.*0' /proc/self/status && echo harm`,
  },
])
