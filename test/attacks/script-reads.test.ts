/** Scripts that look where they should not. */
import { daemonSecret } from '../harness/attack-scene.ts'
import { systemCall, tryAttacks } from '../harness/attack.ts'

const connect = (address: string) =>
  `perl -MSocket -e 'socket(S, AF_UNIX, SOCK_STREAM, 0) or die; ` +
  `connect(S, sockaddr_un(${address})) or die "$!\\n"; print <S>'`

tryAttacks('a script that reads', [
  {
    name: "another user's payload",
    script: ({ victim }) => `grep -q secret '${victim}/work/secret.txt' && echo harm`,
  },
  {
    name: 'what payloads there are',
    script: ({ victim }) => `ls '${victim}/..' && echo harm`,
  },
  {
    name: "the server's database",
    script: ({ dbPath }) => `[[ $(head -c 13 '${dbPath}') == 'SQLite format' ]] && echo harm`,
  },
  {
    name: "the cluster secret's file",
    script: ({ secretFile }) => `grep -q not-for-scripts '${secretFile}' && echo harm`,
  },
  {
    name: "the passwords of the machine's users",
    script: () => `grep -q '^root:' /etc/shadow && echo harm`,
    without: 'succeeds for root',
  },
  {
    name: "who the machine's users are",
    // Inside there are root, without a name or a home of the machine's, itself and nobody.
    script: () => `grep -qv '^root:x:0:0::\\|^job:\\|^nobody:' /etc/passwd && echo harm`,
  },
  {
    name: "the daemon's environment",
    script: ({ clientPid }) => `grep -q ${daemonSecret} /proc/${clientPid}/environ && echo harm`,
  },
  {
    name: "the daemon's memory",
    script: ({ clientPid }) =>
      `read -r range _ </proc/${clientPid}/maps && exec 3</proc/${clientPid}/mem &&
       perl -e 'open(M, "<&=3"); sysseek(M, hex($ARGV[0]), 0); sysread(M, $b, 4) == 4 or die;
         print "harm\\n"' "\${range%-*}"`,
  },
  {
    name: "the daemon's files, through its root",
    script: ({ clientPid, secretFile }) =>
      `grep -q not-for-scripts /proc/${clientPid}/root'${secretFile}' && echo harm`,
  },
  {
    name: 'what other processes there are',
    script: ({ clientPid }) => `[[ -d /proc/${clientPid} ]] && echo harm`,
  },
  {
    name: "the machine's disk, by a device of its own",
    script: () => `mknod "$TMPDIR/disk" b 7 0 && rm "$TMPDIR/disk" && echo harm`,
    without: 'succeeds for root',
  },
  {
    name: "the kernel's log",
    script: () => `dmesg >/dev/null && echo harm`,
    without: 'succeeds for root',
  },
  {
    name: "the kernel's keys",
    // KEYCTL_GET_KEYRING_ID of the user's session keyring, made if need be.
    script: () => `perl -e 'print "harm\\n" if ${systemCall(250, 219, '0', '-5', '1')}'`,
  },
  {
    name: 'from the network: a listener of another process',
    script: ({ listenerPort }) => `cat </dev/tcp/127.0.0.2/${listenerPort}`,
  },
  {
    name: "from the network: the daemon's own port",
    script: ({ clientPort }) =>
      `exec 3<>/dev/tcp/127.0.0.1/${clientPort} &&
       printf 'GET /health HTTP/1.0\\r\\n\\r\\n' >&3 && grep -q '"ok"' <&3 && echo harm`,
  },
  {
    name: "from a daemon's socket",
    script: ({ socketPath }) => connect(`"${socketPath}"`),
  },
  {
    name: 'from a socket without a file',
    script: ({ abstractName }) => connect(`"\\0${abstractName}"`),
  },
])
