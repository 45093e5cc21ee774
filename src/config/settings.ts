/** Every setting there is: the help text, the parser and the documentation's test read this list. */
import { normalize } from 'node:path'
import { limitKinds } from '../domain/limits.ts'
import type { LimitName } from '../domain/limits.ts'
import { logLevels } from '../domain/log-level.ts'
import type { LogLevel } from '../domain/log-level.ts'
import {
  Wrong,
  parseDurationMs,
  parseShortDurationMs,
  parseSizeBytes,
  parseSizeOrZeroBytes,
  parseWhole,
} from '../domain/units.ts'

export type Mode = 'server' | 'client'

export type Setting<T> = {
  readonly env: string
  readonly flag: string
  /** Stands for the value in the help text; empty: the flag alone says `true`. */
  readonly value: string
  readonly help: string
  readonly modes: readonly Mode[]
  /** As it would be written; `null`: there is none. */
  readonly fallback: Readonly<Record<Mode, string | null>>
  readonly parse: (text: string) => T | Wrong
}

/** Variables that begin so are never handed on, to nobody. */
export const secretPrefix = 'CLUSTER_SECRET'

const both: readonly Mode[] = ['server', 'client']
const same = (text: string | null) => ({ server: text, client: text })

function parseHost(text: string): string | Wrong {
  return /^[\w.:%-]+$/.test(text) ? text : new Wrong('a host name or an IP address')
}

function parseSwitch(text: string): boolean | Wrong {
  if (/^(1|true|yes|on)$/i.test(text)) return true
  return /^(0|false|no|off)$/i.test(text) ? false : new Wrong('true or false')
}

function parseNames(text: string): readonly string[] | Wrong {
  const names = text.split(',').map((name) => name.trim())
  if (names.some((name) => name.startsWith(secretPrefix))) {
    return new Wrong(`names of variables without ${secretPrefix}..., which no script gets`)
  }
  return names.every((name) => /^[A-Za-z_]\w*$/.test(name))
    ? names
    : new Wrong('names of variables, separated by commas')
}

function parseLogLevel(text: string): LogLevel | Wrong {
  const level = logLevels.find((known) => known === text.toLowerCase())
  return level ?? new Wrong(`one of ${logLevels.join(', ')}`)
}

export const isolationModes = ['auto', 'bwrap', 'none'] as const

function parseIsolation(text: string): (typeof isolationModes)[number] | Wrong {
  const mode = isolationModes.find((known) => known === text.toLowerCase())
  return mode ?? new Wrong(`one of ${isolationModes.join(', ')}`)
}

/** Names of services are lower case. */
function parseServiceNames(text: string): readonly string[] | Wrong {
  const names = text.split(',').map((name) => name.trim().toLowerCase())
  return names.every((name) => /^(\*|[a-z0-9_]+)$/.test(name))
    ? names
    : new Wrong('names of services, separated by commas, or *')
}

function parsePaths(text: string): readonly string[] | Wrong {
  const paths = text.split(',').map((path) => path.trim())
  return paths.every((path) => path.startsWith('/'))
    ? paths.map((path) => normalize(path).replace(/(?<=.)\/+$/, ''))
    : new Wrong('absolute paths, separated by commas')
}

function parseUser(text: string): string | Wrong {
  const name = String.raw`(\d+|[A-Za-z_][\w.-]*\$?)`
  return new RegExp(`^${name}(:${name})?$`).test(text)
    ? text
    : new Wrong('a user, or USER:GROUP, by names or numbers')
}

/** What each script on a client may use at most. */
function limit(name: LimitName) {
  const { field, unit, what, parse } = limitKinds[name]
  const values = { bytes: 'SIZE', seconds: 'TIME', count: 'NUMBER' } as const
  return {
    env: field.toUpperCase(),
    flag: field.replaceAll('_', '-'),
    value: values[unit],
    help: `limit: ${what}`,
    modes: ['client'],
    fallback: same(null),
    parse,
  } satisfies Setting<number>
}

function parseCgroups(text: string): 'auto' | 'none' | Wrong {
  return text === 'auto' || text === 'none' ? text : new Wrong('auto or none')
}

export const settings = {
  port: {
    env: 'PORT',
    flag: 'port',
    value: 'NUMBER',
    help: 'port to listen on; 0 takes any free one and prints it',
    modes: both,
    fallback: { server: '5000', client: '9000' },
    parse: parseWhole(0, 65_535),
  },
  host: {
    env: 'HOST',
    flag: 'host',
    value: 'ADDRESS',
    help: 'address to listen on',
    modes: both,
    fallback: same('127.0.0.1'),
    parse: parseHost,
  },
  isInsecure: {
    env: 'INSECURE',
    flag: 'insecure',
    value: '',
    help: 'listens where others reach it without credentials: something in front protects it',
    modes: both,
    fallback: same('false'),
    parse: parseSwitch,
  },
  dbPath: {
    env: 'DB_PATH',
    flag: 'db-path',
    value: 'FILE',
    help: "the server's database",
    modes: ['server'],
    fallback: same('./db.sqlite'),
    parse: (text: string) => text,
  },
  dataPath: {
    env: 'DATA_PATH',
    flag: 'data-path',
    value: 'DIRECTORY',
    help: 'files: a server keeps jobs/ there, a client payloads/; both may share one',
    modes: both,
    fallback: same('./data'),
    parse: (text: string) => text,
  },
  maxAgeMs: {
    env: 'MAX_AGE',
    flag: 'max-age',
    value: 'TIME',
    help: 'the files of what ended longer ago go; the record of a job stays',
    modes: both,
    fallback: same('10d'),
    parse: parseDurationMs,
  },
  maxUploadSizeBytes: {
    env: 'MAX_UPLOAD_SIZE',
    flag: 'max-upload-size',
    value: 'SIZE',
    help: 'largest upload; on a client, most bytes in the files of one payload',
    modes: both,
    fallback: same('400MiB'),
    parse: parseSizeBytes,
  },
  minFreeSpaceBytes: {
    env: 'MIN_FREE_SPACE',
    flag: 'min-free-space',
    value: 'SIZE',
    help: 'with less left on its disks, no uploads or payloads are taken; 0: no limit',
    modes: both,
    fallback: same('1GiB'),
    parse: parseSizeOrZeroBytes,
  },
  headersTimeoutMs: {
    env: 'HEADERS_TIMEOUT',
    flag: 'headers-timeout',
    value: 'TIME',
    help: 'who takes longer to send the head of a request is cut off',
    modes: both,
    fallback: same('20s'),
    parse: parseShortDurationMs,
  },
  bodyTimeoutMs: {
    env: 'BODY_TIMEOUT',
    flag: 'body-timeout',
    value: 'TIME',
    help: 'a body of which nothing comes for so long is cut off; a slow one is not',
    modes: both,
    fallback: same('60s'),
    parse: parseShortDurationMs,
  },
  maxUploadFiles: {
    env: 'MAX_UPLOAD_FILES',
    flag: 'max-upload-files',
    value: 'NUMBER',
    help: 'most files of an upload or a payload, and most directories',
    modes: both,
    fallback: same('100000'),
    parse: parseWhole(1, 10_000_000),
  },
  maxUploads: {
    env: 'MAX_UPLOADS',
    flag: 'max-uploads',
    value: 'NUMBER',
    help: 'uploads, or payloads, that are received at once',
    modes: both,
    fallback: same('1000'),
    parse: parseWhole(1, 1_000_000),
  },
  maxUploadsPerUser: {
    env: 'MAX_UPLOADS_PER_USER',
    flag: 'max-uploads-per-user',
    value: 'NUMBER',
    help: 'uploads of one user that are received at once',
    modes: ['server'],
    fallback: same('500'),
    parse: parseWhole(1, 1_000_000),
  },
  maxAttempts: {
    env: 'MAX_ATTEMPTS',
    flag: 'max-attempts',
    value: 'NUMBER',
    help: 'attempts that clients may accept and lose before the job fails',
    modes: ['server'],
    fallback: same('5'),
    parse: parseWhole(1, 1000),
  },
  clientLostAfterMs: {
    env: 'CLIENT_LOST_AFTER',
    flag: 'client-lost-after',
    value: 'TIME',
    help: 'a client that is silent for so long loses its jobs to others that are free',
    modes: ['server'],
    fallback: same('5min'),
    parse: parseDurationMs,
  },
  killGraceMs: {
    env: 'KILL_GRACE',
    flag: 'kill-grace',
    value: 'TIME',
    help: 'from SIGTERM to SIGKILL, when a script is to end',
    modes: both,
    fallback: same('5s'),
    parse: parseShortDurationMs,
  },
  clusterSecretFile: {
    env: 'CLUSTER_SECRET_FILE',
    flag: 'cluster-secret-file',
    value: 'FILE',
    help: 'the secret that servers and clients share; two lines: either is accepted',
    modes: both,
    fallback: same(null),
    parse: (text: string) => text,
  },
  tlsCert: {
    env: 'TLS_CERT',
    flag: 'tls-cert',
    value: 'FILE',
    help: 'listens with TLS and this certificate; a server shows it to clients, too',
    modes: both,
    fallback: same(null),
    parse: (text: string) => text,
  },
  tlsKey: {
    env: 'TLS_KEY',
    flag: 'tls-key',
    value: 'FILE',
    help: 'the key of that certificate',
    modes: both,
    fallback: same(null),
    parse: (text: string) => text,
  },
  tlsCa: {
    env: 'TLS_CA',
    flag: 'tls-ca',
    value: 'FILE',
    help: 'authorities: a client admits only servers with a certificate of theirs, and vice versa',
    modes: both,
    fallback: same(null),
    parse: (text: string) => text,
  },
  slots: {
    env: 'SLOTS',
    flag: 'slots',
    value: 'NUMBER',
    help: 'payloads that run at once',
    modes: ['client'],
    fallback: same(null),
    parse: parseWhole(1, 100_000),
  },
  passEnv: {
    env: 'PASS_ENV',
    flag: 'pass-env',
    value: 'NAMES',
    help: 'variables of the client that scripts get too, separated by commas',
    modes: ['client'],
    fallback: same(null),
    parse: parseNames,
  },
  isolation: {
    env: 'ISOLATION',
    flag: 'isolation',
    value: 'HOW',
    help: 'how scripts are kept apart: bwrap (bubblewrap), none, or auto, as it can be had',
    modes: ['client'],
    fallback: same('auto'),
    parse: parseIsolation,
  },
  allowNetwork: {
    env: 'ALLOW_NETWORK',
    flag: 'allow-network',
    value: 'SERVICES',
    help: 'services whose scripts may use the network, separated by commas; * for all',
    modes: ['client'],
    fallback: same(null),
    parse: parseServiceNames,
  },
  bindRo: {
    env: 'BIND_RO',
    flag: 'bind-ro',
    value: 'PATHS',
    help: 'what else of this machine scripts may read, separated by commas',
    modes: ['client'],
    fallback: same(null),
    parse: parsePaths,
  },
  bindDev: {
    env: 'BIND_DEV',
    flag: 'bind-dev',
    value: 'PATHS',
    help: 'devices that scripts may use, such as /dev/nvidia0, separated by commas',
    modes: ['client'],
    fallback: same(null),
    parse: parsePaths,
  },
  runAs: {
    env: 'RUN_AS',
    flag: 'run-as',
    value: 'USER[:GROUP]',
    help: 'as whom scripts run, where the client is root; without, one user for each payload',
    modes: ['client'],
    fallback: same(null),
    parse: parseUser,
  },
  memoryBytes: limit('memoryBytes'),
  cpuTimeMs: limit('cpuTimeMs'),
  processes: limit('processes'),
  openFiles: limit('openFiles'),
  fileSizeBytes: limit('fileSizeBytes'),
  diskBytes: limit('diskBytes'),
  outputBytes: limit('outputBytes'),
  maxResultSizeBytes: {
    env: 'MAX_RESULT_SIZE',
    flag: 'max-result-size',
    value: 'SIZE',
    help: 'most bytes of the files in a result, unpacked, with what is empty in them',
    modes: ['client'],
    fallback: same('100GiB'),
    parse: parseSizeBytes,
  },
  maxResultFiles: {
    env: 'MAX_RESULT_FILES',
    flag: 'max-result-files',
    value: 'NUMBER',
    help: 'most files, links and directories in a result',
    modes: ['client'],
    fallback: same('250000'),
    parse: parseWhole(1, 100_000_000),
  },
  cgroups: {
    env: 'CGROUPS',
    flag: 'cgroups',
    value: 'auto|none',
    help: 'auto: limits are enforced by cgroups where the client may make them',
    modes: ['client'],
    fallback: same('auto'),
    parse: parseCgroups,
  },
  logLevel: {
    env: 'LOG_LEVEL',
    flag: 'log-level',
    value: 'LEVEL',
    help: `${logLevels.join(', ')}; lines for people on a terminal, JSON otherwise`,
    modes: both,
    fallback: same('info'),
    parse: parseLogLevel,
  },
} satisfies Record<string, Setting<unknown>>

export type SettingName = keyof typeof settings
