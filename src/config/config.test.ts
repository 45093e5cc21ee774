import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { modeHelp } from '../cli/help.ts'
import { ConfigError, readClientConfig, readServerConfig, settingsOf } from './config.ts'
import type { Mode } from './settings.ts'
import { settings } from './settings.ts'

type Environment = Record<string, string>

function read(mode: Mode, args: readonly string[] = [], environment: Environment = {}) {
  const config =
    mode === 'server' ? readServerConfig(args, environment) : readClientConfig(args, environment)
  return config as unknown as Record<string, unknown>
}

function faultsOf(mode: Mode, args: readonly string[], environment: Environment = {}) {
  try {
    read(mode, args, environment)
  } catch (error) {
    assert.ok(error instanceof ConfigError)
    return error.faults
  }
  return []
}

/** These name files or users that have to be there: trust.test.ts, isolation.test.ts. */
type FileSetting = 'clusterSecretFile' | 'tlsCert' | 'tlsKey' | 'tlsCa' | 'runAs'

/** Of each other setting: two texts, and what each means. */
const samples: Record<
  Exclude<keyof typeof settings, FileSetting>,
  readonly [string, unknown, string, unknown]
> = {
  port: ['0', 0, '65535', 65_535],
  host: ['0.0.0.0', '0.0.0.0', '::1', '::1'],
  isInsecure: ['yes', true, '0', false],
  dbPath: ['/srv/a.sqlite', '/srv/a.sqlite', './b', './b'],
  dataPath: ['/srv/data', '/srv/data', './data 2', './data 2'],
  maxAgeMs: ['2d', 172_800_000, '60', 60_000],
  maxUploadSizeBytes: ['2GiB', 2_147_483_648, '1024', 1024],
  minFreeSpaceBytes: ['0', 0, '500MB', 500_000_000],
  headersTimeoutMs: ['500ms', 500, '1min', 60_000],
  bodyTimeoutMs: ['2s', 2000, '5min', 300_000],
  maxUploadFiles: ['1', 1, '5000', 5000],
  maxUploads: ['1', 1, '50', 50],
  maxUploadsPerUser: ['1', 1, '7', 7],
  maxAttempts: ['1', 1, '9', 9],
  clientLostAfterMs: ['500ms', 500, '2h', 7_200_000],
  killGraceMs: ['1.5s', 1500, '3min', 180_000],
  slots: ['1', 1, '64', 64],
  passEnv: ['CUDA_HOME', ['CUDA_HOME'], 'A, B_2', ['A', 'B_2']],
  isolation: ['none', 'none', 'BWRAP', 'bwrap'],
  allowNetwork: ['docking', ['docking'], 'Docking, *', ['docking', '*']],
  bindRo: ['/usr/share', ['/usr/share'], '/usr//lib/, /bin', ['/usr/lib', '/bin']],
  bindDev: ['/dev/null', ['/dev/null'], '/dev/zero,/dev/full', ['/dev/zero', '/dev/full']],
  memoryBytes: ['64MiB', 67_108_864, '2GB', 2_000_000_000],
  cpuTimeMs: ['90', 90_000, '2h', 7_200_000],
  processes: ['1', 1, '500', 500],
  openFiles: ['16', 16, '1024', 1024],
  fileSizeBytes: ['1GiB', 1_073_741_824, '4096', 4096],
  diskBytes: ['10GB', 10_000_000_000, '1', 1],
  outputBytes: ['1MiB', 1_048_576, '10', 10],
  maxResultSizeBytes: ['1GiB', 1_073_741_824, '10', 10],
  maxResultFiles: ['1', 1, '5000', 5000],
  cgroups: ['none', 'none', 'auto', 'auto'],
  logLevel: ['WARN', 'warn', 'debug', 'debug'],
}

const isSample = (name: string): name is keyof typeof samples => name in samples

describe('every setting', () => {
  for (const mode of ['server', 'client'] as const) {
    for (const [name, { env, flag, value }] of settingsOf(mode)) {
      if (!isSample(name)) continue
      const [first, firstValue, second, secondValue] = samples[name]

      test(`${mode}: ${env} and --${flag} say the same, and the flag wins`, () => {
        assert.deepEqual(read(mode, [], { [env]: first })[name], firstValue)
        assert.deepEqual(read(mode, [`--${flag}=${first}`])[name], firstValue)
        assert.deepEqual(read(mode, [`--${flag}=${second}`], { [env]: first })[name], secondValue)
        if (value === '') assert.equal(read(mode, [`--${flag}`], { [env]: second })[name], true)
        else assert.deepEqual(read(mode, [`--${flag}`, first])[name], firstValue)
      })

      test(`${mode}: an empty ${env} is as good as none, an empty --${flag} is a fault`, () => {
        assert.deepEqual(read(mode, [], { [env]: '' })[name], read(mode)[name])
        assert.deepEqual(faultsOf(mode, [`--${flag}=`]), [`--${flag} needs a value`])
        if (value === '') return
        assert.deepEqual(faultsOf(mode, [`--${flag}`]), [`--${flag} needs a value`])
      })
    }
  }

  test('has the default that the documentation promises', () => {
    const { services: _services, warnings: _warnings, ...server } = read('server')
    const common = {
      host: '127.0.0.1',
      isInsecure: false,
      dataPath: './data',
      maxAgeMs: 10 * 86_400_000,
      maxUploadSizeBytes: 400 * 1024 ** 2,
      minFreeSpaceBytes: 1024 ** 3,
      headersTimeoutMs: 20_000,
      bodyTimeoutMs: 60_000,
      maxUploadFiles: 100_000,
      maxUploads: 1000,
      killGraceMs: 5000,
      logLevel: 'info',
      clusterSecret: null,
      tlsFiles: { cert: null, key: null, ca: null },
      tls: { identity: null, ca: null, warnings: [] },
    }
    assert.deepEqual(server, {
      ...common,
      port: 5000,
      dbPath: './db.sqlite',
      maxUploadsPerUser: 500,
      maxAttempts: 5,
      clientLostAfterMs: 300_000,
    })
    const isolation = { isolation: 'auto', allowNetwork: [], bindRo: [], bindDev: [], runAs: null }
    const client = {
      ...common,
      ...isolation,
      port: 9000,
      slots: null,
      passEnv: [],
      limits: {},
      cgroups: 'auto',
      maxResultSizeBytes: 100 * 1024 ** 3,
      maxResultFiles: 250_000,
      warnings: [],
    }
    assert.deepEqual(read('client'), client)
  })

  test('cannot be changed afterwards', () => {
    assert.throws(() => Object.assign(readServerConfig([], {}), { port: 1 }), TypeError)
  })

  for (const mode of ['server', 'client'] as const) {
    test(`stands in the help of the ${mode} with flag, variable and default`, () => {
      const help = modeHelp(mode)
      const known = settingsOf(mode)
      assert.ok(known.length >= 9)
      for (const [, { env, flag, value, fallback }] of known) {
        const entry = help.split(`${`  --${flag} ${value}`.trimEnd()}\n`)[1]?.split('\n')[0] ?? ''
        assert.match(entry, new RegExp(`^ {6}${env}: \\w.*`), flag)
        if (fallback[mode] !== null) assert.ok(entry.endsWith(` (${fallback[mode]})`), entry)
      }
      assert.equal(help.includes('_RUNS_PER_USER'), mode === 'server')
    })
  }
})

describe('units', () => {
  const sizes: Record<string, number> = {
    '1': 1,
    '10b': 10,
    '2k': 2048,
    '2kb': 2000,
    '2KiB': 2048,
    '3M': 3 * 1024 ** 2,
    '3MB': 3e6,
    '1.5 MiB': 1.5 * 1024 ** 2,
    '1GB': 1e9,
    '4gib': 4 * 1024 ** 3,
    '1T': 1024 ** 4,
    '1tb': 1e12,
    '1TiB': 1024 ** 4,
  }
  const times: Record<string, number> = {
    '864000': 864_000_000,
    '250ms': 250,
    '0.5s': 500,
    '10sec': 10_000,
    '2m': 120_000,
    '5 min': 300_000,
    '1H': 3_600_000,
    '10d': 864_000_000,
  }
  for (const [text, bytes] of Object.entries(sizes)) {
    test(`${text} is ${bytes} bytes`, () => {
      assert.equal(read('server', ['--max-upload-size', text])['maxUploadSizeBytes'], bytes)
    })
  }
  for (const [text, ms] of Object.entries(times)) {
    test(`${text} is ${ms} milliseconds`, () => {
      assert.equal(read('server', ['--max-age', text])['maxAgeMs'], ms)
    })
  }
})

describe('a fault', () => {
  const wrong: readonly (readonly [Mode, keyof typeof settings, readonly string[]])[] = [
    ['server', 'port', ['-1', '65536', '80a', '1.5', '1e3', ' ', '0x50']],
    ['server', 'host', ['a b', 'http://localhost', 'a/b']],
    ['server', 'isInsecure', ['maybe', '2']],
    ['server', 'maxAgeMs', ['0', '-1', '1 week', '1y', 'd', '10dd', '0.0001ms', '1e5']],
    ['server', 'maxUploadSizeBytes', ['0', '-5MiB', '1 XB', 'MiB', '1,5MB', '9007199254740993']],
    ['server', 'maxAttempts', ['0', '1001', 'many', '2.5']],
    ['server', 'clientLostAfterMs', ['0', 'soon']],
    ['client', 'killGraceMs', ['0s', '5 apples']],
    ['client', 'slots', ['0', '-1', 'all', '100001']],
    ['client', 'passEnv', ['A,,B', '1A', 'A=B', 'A B', 'A-B', 'A,CLUSTER_SECRET']],
    ['client', 'isolation', ['docker', 'on']],
    ['client', 'allowNetwork', ['a b', 'a,,b', '**']],
    ['client', 'bindRo', ['opt', '/opt,data', '/a,']],
    ['client', 'bindDev', ['null', 'dev/null']],
    ['client', 'runAs', ['a b', 'a:b:c', ':users', '-1']],
    ['client', 'logLevel', ['loud', 'infos']],
  ]
  for (const [mode, name, texts] of wrong) {
    const { env, flag } = settings[name]
    for (const text of texts) {
      test(`names its source: ${env} or --${flag} "${text}"`, () => {
        const expected = new RegExp(`: expected .+, got "${RegExp.escape(text)}"$`)
        for (const [source, faults] of [
          [env, faultsOf(mode, [], { [env]: text })],
          [`--${flag}`, faultsOf(mode, [`--${flag}=${text}`])],
        ] as const) {
          assert.equal(faults.length, 1, faults.join('\n'))
          assert.ok(faults[0]?.startsWith(`${source}: `), faults[0])
          assert.match(faults[0] ?? '', expected)
        }
      })
    }
  }

  test('is a flag that nobody knows, that is another mode’s, that comes twice, or a stray word', () => {
    assert.deepEqual(faultsOf('server', ['--prot', '1']), [
      '--prot is not known; see job-orchestrator server --help',
    ])
    assert.deepEqual(faultsOf('client', ['-p']), [
      '-p is not known; see job-orchestrator client --help',
    ])
    assert.deepEqual(faultsOf('server', ['--slots', '4']), [
      '--slots is not for the server, only for the client',
    ])
    assert.deepEqual(faultsOf('client', ['--db-path=x']), [
      '--db-path is not for the client, only for the server',
    ])
    assert.deepEqual(faultsOf('client', ['--port', '1', '--port', '2']), ['--port is given twice'])
    assert.deepEqual(faultsOf('client', ['--', 'start']), [
      '"start" means nothing here; settings are flags such as --port',
    ])
  })

  test('of another mode in the environment is none: both may share one', () => {
    assert.deepEqual(faultsOf('server', [], { SLOTS: 'many', PASS_ENV: '-' }), [])
    assert.deepEqual(faultsOf('client', [], { MAX_ATTEMPTS: '0', SERVICE_A_MAX_RUNS: '0' }), [])
  })

  test('does not hide another: all are told at once', () => {
    const faults = faultsOf('server', ['--port', 'x', '--what=1', 'word', '--host='], {
      MAX_AGE: 'old',
      LOG_LEVEL: 'loud',
      SERVICE_A_MAX_RUNS: '0',
      SERVICE_B_UPLOAD_URL: 'ftp://node1/submit',
    })
    const beginnings = [
      '--what',
      '"word"',
      '--host needs',
      '--port:',
      'MAX_AGE:',
      'LOG_LEVEL:',
      'service a has no',
      'SERVICE_A_MAX_RUNS:',
      'SERVICE_B_UPLOAD_URL:',
    ]
    assert.equal(faults.length, beginnings.length, faults.join('\n'))
    for (const beginning of beginnings) {
      assert.ok(
        faults.some((fault) => fault.startsWith(beginning)),
        beginning,
      )
    }
    assert.equal(new ConfigError(faults).message, 'the configuration has 9 faults')
    assert.equal(new ConfigError(faults.slice(8)).message, 'the configuration has a fault')
  })
})
