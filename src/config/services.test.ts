import assert from 'node:assert/strict'
import { test } from 'node:test'
import { readServices } from './services.ts'

function read(environment: Record<string, string>) {
  const faults: string[] = []
  const warnings: string[] = []
  const services = readServices(environment, faults, warnings)
  return { services, faults, warnings }
}

const client = (base: string) => ({
  uploadUrl: `${base}/submit`,
  downloadUrl: `${base}/retrieve`,
  terminateUrl: `${base}/kill`,
})

test('a service needs its upload URL alone; the rest follows', () => {
  const { services, faults, warnings } = read({ SERVICE_DOCK_UPLOAD_URL: 'http://n1:9000/submit' })
  assert.deepEqual(services, [
    {
      name: 'dock',
      clients: [client('http://n1:9000')],
      quota: { runsPerUser: 5, maxRuns: 10 },
      maxRuntimeMs: null,
      limits: {},
      maxQueuedPerUser: null,
    },
  ])
  assert.deepEqual([faults, warnings], [[], []])
})

test('every companion of the upload URL is taken', () => {
  const { services, faults, warnings } = read({
    SERVICE_DOCK_UPLOAD_URL: 'https://n1/a/submit',
    SERVICE_DOCK_DOWNLOAD_URL: 'https://n1/b/get/',
    SERVICE_DOCK_TERMINATE_URL: 'https://n1/c/end',
    SERVICE_DOCK_RUNS_PER_USER: '2',
    SERVICE_DOCK_MAX_RUNS: '3',
    SERVICE_DOCK_MAX_RUNTIME: '2h',
    SERVICE_DOCK_MAX_MEMORY: '1KiB',
    SERVICE_DOCK_MAX_PROCESSES: '9',
    SERVICE_DOCK_MAX_QUEUED_PER_USER: '20',
  })
  const uploadUrl = 'https://n1/a/submit'
  assert.deepEqual(services, [
    {
      name: 'dock',
      clients: [{ uploadUrl, downloadUrl: 'https://n1/b/get', terminateUrl: 'https://n1/c/end' }],
      quota: { runsPerUser: 2, maxRuns: 3 },
      maxRuntimeMs: 7_200_000,
      limits: { memoryBytes: 1024, processes: 9 },
      maxQueuedPerUser: 20,
    },
  ])
  assert.deepEqual([faults, warnings], [[], []])
})

test('what is derived is beside the upload URL, below any prefix', () => {
  const { services } = read({ SERVICE_A_UPLOAD_URL: 'http://n1/cluster/submit' })
  assert.deepEqual(services[0]?.clients, [client('http://n1/cluster')])
})

test('an address without a path means its /submit', () => {
  for (const url of ['http://n1:9000', 'http://n1:9000/']) {
    const { services } = read({ SERVICE_A_UPLOAD_URL: url })
    assert.deepEqual(services[0]?.clients, [client('http://n1:9000')])
  }
})

test('a name keeps its underscores, also where it ends like a setting', () => {
  const { services, warnings } = read({
    SERVICE_MY_DOCK_2_UPLOAD_URL: 'http://n1/submit',
    SERVICE_MY_DOCK_2_MAX_RUNS: '7',
    SERVICE_MAX_RUNS_UPLOAD_URL: 'http://n2/submit',
  })
  assert.deepEqual(
    services.map(({ name, quota }) => [name, quota.maxRuns]),
    [
      ['my_dock_2', 7],
      ['max_runs', 10],
    ],
  )
  assert.deepEqual(warnings, [])
})

test('lists pair by position', () => {
  const { services, faults } = read({
    SERVICE_A_UPLOAD_URL: 'http://n1/submit, http://n2/submit',
    SERVICE_A_DOWNLOAD_URL: 'http://g1/retrieve,http://g2/retrieve',
  })
  assert.deepEqual(faults, [])
  assert.deepEqual(services[0]?.clients, [
    { ...client('http://n1'), downloadUrl: 'http://g1/retrieve' },
    { ...client('http://n2'), downloadUrl: 'http://g2/retrieve' },
  ])
})

test('lists of unequal lengths are a fault, each of them', () => {
  const { faults } = read({
    SERVICE_A_UPLOAD_URL: 'http://n1/submit,http://n2/submit',
    SERVICE_A_DOWNLOAD_URL: 'http://n1/retrieve',
    SERVICE_A_TERMINATE_URL: 'http://n1/kill,http://n2/kill,http://n3/kill',
  })
  assert.deepEqual(faults, [
    'SERVICE_A_DOWNLOAD_URL lists 1 where SERVICE_A_UPLOAD_URL lists 2; they pair by position',
    'SERVICE_A_TERMINATE_URL lists 3 where SERVICE_A_UPLOAD_URL lists 2; they pair by position',
  ])
})

test('an address that is none is a fault, once', () => {
  for (const url of ['n1:9000', '/submit', 'ftp://n1/submit', 'http://u@n1/', 'http://n1/?a=1']) {
    const { faults } = read({
      SERVICE_A_UPLOAD_URL: `http://n0/submit,${url}`,
      SERVICE_A_DOWNLOAD_URL: 'http://n0/retrieve,http://n1/retrieve',
    })
    assert.deepEqual(faults, [
      `SERVICE_A_UPLOAD_URL: expected an address such as http://node1:9000/submit, got "${url}"`,
    ])
  }
})

test('an empty place in a list is a fault', () => {
  const { faults } = read({ SERVICE_A_UPLOAD_URL: 'http://n1/submit,' })
  assert.match(faults.join(), /^SERVICE_A_UPLOAD_URL: expected .+, got ""$/)
})

test('the same client twice in a list is a fault', () => {
  const { faults } = read({ SERVICE_A_UPLOAD_URL: 'http://n1/submit, http://N1:80/submit' })
  assert.deepEqual(faults, ['SERVICE_A_UPLOAD_URL lists http://n1/submit twice'])
})

test('the same setting twice, in upper and lower case, is a fault', () => {
  const { faults } = read({
    SERVICE_A_UPLOAD_URL: 'http://n1/',
    SERVICE_a_UPLOAD_URL: 'http://n2/',
  })
  assert.deepEqual(faults, ['SERVICE_A_UPLOAD_URL and SERVICE_a_UPLOAD_URL are the same setting'])
})

test('a service without an upload URL is a fault', () => {
  for (const suffix of ['MAX_RUNS', 'RUNS_PER_USER', 'DOWNLOAD_URL', 'TERMINATE_URL']) {
    const { faults } = read({
      [`SERVICE_MY_A_${suffix}`]: suffix.endsWith('URL') ? 'http://n' : '3',
    })
    assert.deepEqual(faults, ['service my_a has no SERVICE_MY_A_UPLOAD_URL'])
  }
})

test('a quota that is no whole number above 0 is a fault', () => {
  for (const suffix of ['MAX_RUNS', 'RUNS_PER_USER']) {
    for (const text of ['0', '-1', '1.5', 'ten', '1000001']) {
      const { faults } = read({ SERVICE_A_UPLOAD_URL: 'http://n', [`SERVICE_A_${suffix}`]: text })
      const expected = 'a whole number from 1 to 1000000'
      assert.deepEqual(faults, [`SERVICE_A_${suffix}: expected ${expected}, got "${text}"`])
    }
  }
})

test('an unknown suffix is a warning, for other programs have SERVICE_ variables too', () => {
  const { services, faults, warnings } = read({
    SERVICE_A_UPLOAD_URL: 'http://n1/submit',
    SERVICE_A_MAXRUNS: '3',
    SERVICE_A_TIME_LIMIT: '2h',
    SERVICE_UPLOAD_URL: 'http://n1/submit',
    SERVICE_: 'x',
  })
  assert.deepEqual(faults, [])
  assert.equal(services.length, 1)
  const suffixes =
    'UPLOAD_URL, DOWNLOAD_URL, TERMINATE_URL, RUNS_PER_USER, MAX_RUNS, MAX_RUNTIME, ' +
    'MAX_QUEUED_PER_USER, MAX_MEMORY, MAX_CPU_TIME, MAX_PROCESSES, MAX_OPEN_FILES, ' +
    'MAX_FILE_SIZE, MAX_DISK, MAX_OUTPUT'
  assert.deepEqual(
    warnings,
    ['SERVICE_A_MAXRUNS', 'SERVICE_A_TIME_LIMIT', 'SERVICE_UPLOAD_URL', 'SERVICE_'].map(
      (name) => `${name} is ignored: expected SERVICE_<NAME>_ and one of ${suffixes}`,
    ),
  )
})

test('an empty variable is as good as none', () => {
  const { services, faults } = read({ SERVICE_A_UPLOAD_URL: 'http://n1/', SERVICE_A_MAX_RUNS: '' })
  assert.deepEqual([services[0]?.quota.maxRuns, faults], [10, []])
  assert.equal(read({ SERVICE_B_UPLOAD_URL: '' }).services[0]?.name, 'example')
})

test('without any service there is one, "example", and that is said', () => {
  const { services, faults, warnings } = read({})
  assert.deepEqual(services, [
    {
      name: 'example',
      clients: [client('http://127.0.0.1:9000')],
      quota: { runsPerUser: 5, maxRuns: 10 },
      maxRuntimeMs: null,
      limits: {},
      maxQueuedPerUser: null,
    },
  ])
  assert.deepEqual(faults, [])
  assert.match(warnings.join(), /^no service is configured: using "example" at http:/)
})

test('a time limit is any time', () => {
  const year = read({ SERVICE_A_UPLOAD_URL: 'http://n1', SERVICE_A_MAX_RUNTIME: '365d' })
  assert.deepEqual([year.services[0]?.maxRuntimeMs, year.faults], [365 * 86_400_000, []])
  for (const text of ['0', 'soon', '-5']) {
    const environment = { SERVICE_A_UPLOAD_URL: 'http://n1', SERVICE_A_MAX_RUNTIME: text }
    const { faults } = read(environment)
    assert.match(faults.join(), /^SERVICE_A_MAX_RUNTIME: expected a time .*, got /, text)
  }
})

test('a limit that is none is a fault, and says what would be right', () => {
  const { faults } = read({ SERVICE_A_UPLOAD_URL: 'http://n1', SERVICE_A_MAX_OPEN_FILES: '3' })
  assert.deepEqual(faults, [
    'SERVICE_A_MAX_OPEN_FILES: expected a whole number from 16 to 1000000, got "3"',
  ])
})
