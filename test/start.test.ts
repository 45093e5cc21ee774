/** The command line, and what may be in the way of a start. */
import assert from 'node:assert/strict'
import { chmod, mkdir, readdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'node:test'
import description from '../package.json' with { type: 'json' }
import { Lab } from './harness/lab.ts'
import { occupiedPort } from './harness/port.ts'
import { refusal } from './harness/refusal.ts'

const nowhere = ['--port', '0', '--data-path']

test('the program tells its version and its help, and ends well', async () => {
  await using lab = await Lab.create()
  const version = lab.program(['--version'])
  assert.equal(await version.exit(), 0)
  assert.equal(version.output, `${description.version}\n`)
  for (const [args, expected] of [
    [['--help'], /Usage: job-orchestrator server \[settings\]/],
    [['help'], /--version/],
    [['server', '--help'], /Usage: job-orchestrator server[^]*--db-path FILE[^]*SERVICE_<NAME>_/],
    [['server', '--version'], /^\d+\.\d+\.\d+/],
    [['token', '--help'], /Usage: job-orchestrator token create[^]*--scope LIST[^]*--db-path FILE/],
    [['token', 'create', '-h'], /Usage: job-orchestrator token create/],
    [['client', '-h'], /Usage: job-orchestrator client[^]*--slots NUMBER\n +SLOTS: /],
    // Help is had whatever else is wrong.
    [['server', '--port', 'x', '--help'], /--port NUMBER\n +PORT: .* \(5000\)/],
  ] as const) {
    const program = lab.program(args)
    assert.equal(await program.exit(), 0, program.errors)
    assert.match(program.output, expected)
    assert.equal(program.errors, '')
  }
})

test('a server that is open on all addresses says so, and warns', async () => {
  await using lab = await Lab.create()
  const server = lab.program(['server', ...nowhere, 'data', '--host', '0.0.0.0', '--insecure'])
  assert.match(await server.address(), /^http:\/\/0\.0\.0\.0:\d+$/)
  const warned = await server.line(({ level }) => level === 40)
  assert.match(
    `${warned.msg} ${server.said}`,
    /0\.0\.0\.0 is not this machine's alone: who reaches it can run scripts as this user/,
  )
  const { program } = await lab.client()
  assert.doesNotMatch(program.said, /not this machine's alone/)
})

test('without a mode, or with one that is none, it says what there is and exits with 2', async () => {
  await using lab = await Lab.create()
  for (const [args, expected] of [
    [[], /^job-orchestrator: which mode\?\n\nUsage: /],
    [['sever'], /^job-orchestrator: "sever" is not a mode\.\n\nUsage: /],
    [['--port', '1'], /^job-orchestrator: "--port" is not a mode\.\n\nUsage: /],
  ] as const) {
    const program = lab.program(args)
    assert.equal(await program.exit(), 2)
    assert.match(program.errors, expected)
    assert.equal(program.output, '')
  }
})

test('a wrong configuration is told whole, before anything listens or is created', async () => {
  await using lab = await Lab.create()
  const server = lab.program(['server', '--port', 'x', '--data-path', 'made', '--slots', '2'], {
    MAX_AGE: 'old',
    SERVICE_A_MAX_RUNS: '0',
  })
  assert.equal(await server.exit(), 2)
  assert.deepEqual(server.errors.split('\n'), [
    'job-orchestrator server: the configuration has 5 faults:',
    '  --slots is not for the server, only for the client',
    '  --port: expected a whole number from 0 to 65535, got "x"',
    '  MAX_AGE: expected a time such as 10d, 5min, 500ms or seconds, got "old"',
    '  service a has no SERVICE_A_UPLOAD_URL',
    '  SERVICE_A_MAX_RUNS: expected a whole number from 1 to 1000000, got "0"',
    '',
  ])
  const client = lab.program(['client', '--what'], { SLOTS: '0', DATA_PATH: 'made' })
  assert.equal(await client.exit(), 2)
  assert.match(client.errors, /^job-orchestrator client: .* 2 faults:\n {2}--what .*\n {2}SLOTS: /)
  for (const { lines, output } of [server, client]) assert.deepEqual([lines, output], [[], ''])
  assert.deepEqual(await readdir(lab.directory), [])
})

test('the port comes from --port, else from PORT, and 0 prints the one that was taken', async () => {
  await using lab = await Lab.create()
  await using occupied = await occupiedPort()
  const PORT = String(occupied.port)
  for (const mode of ['server', 'client']) {
    const taken = lab.program([mode, '--data-path', `${mode}-1`], { PORT })
    const expected = `cannot listen on 127.0.0.1:${PORT}: the port is in use; give another --port`
    assert.equal(await refusal(taken), `job-orchestrator ${mode}: ${expected}`)
    const wins = lab.program([mode, '--port', PORT, '--data-path', `${mode}-2`], { PORT: '0' })
    assert.equal(await refusal(wins), `job-orchestrator ${mode}: ${expected}`)

    const any = lab.program([mode, ...nowhere, `${mode}-3`], { PORT })
    const address = await any.address()
    assert.match(address, /^http:\/\/127\.0\.0\.1:[1-9]\d+$/)
    assert.deepEqual(await (await fetch(address)).json(), { message: 'pong' })
    assert.equal(await any.stop(), 0)
  }
})

test('an address that this machine does not have is said so', async () => {
  await using lab = await Lab.create()
  // TEST-NET-1 (RFC 5737) is nobody's.
  const server = lab.program(['client', '--host', '192.0.2.1', '--insecure', ...nowhere, 'data'])
  assert.match(
    await refusal(server),
    /cannot listen on 192\.0\.2\.1:0: this machine has no such address; give another --host$/,
  )
})

test('a path that cannot be is told in one line', async () => {
  await using lab = await Lab.create()
  await writeFile(join(lab.directory, 'file'), '')
  await mkdir(join(lab.directory, 'directory'))
  for (const [args, expected] of [
    [['client', ...nowhere, 'file/data'], /data directory \S+\/file\/data: a part of the path is/],
    [['server', ...nowhere, 'file/data'], /data directory \S+\/file\/data: a part of the path is/],
    [['client', ...nowhere, '/proc/here'], /data directory \/proc\/here: there is no such dir/],
    [['server', ...nowhere, 'file'], /data directory \S+\/file: a part of the path is not a dir/],
    [
      ['server', ...nowhere, 'd1', '--db-path', 'file/db'],
      /database \S+\/file\/db: a part of the path is not a dir/,
    ],
    [
      ['server', ...nowhere, 'd2', '--db-path', 'no/db'],
      /database \S+\/no\/db: there is no such directory/,
    ],
    [
      ['server', ...nowhere, 'd3', '--db-path', 'directory'],
      /server: directory is a directory; give another --db-path/,
    ],
  ] as const) {
    assert.match(await refusal(lab.program(args)), expected)
  }
})

test('a directory that may not be written is told in one line', async (t) => {
  if (process.getuid?.() === 0) return t.skip('root may write everywhere')
  await using lab = await Lab.create()
  const closed = join(lab.directory, 'closed')
  await mkdir(closed)
  await chmod(closed, 0o500)
  for (const args of [
    ['client', ...nowhere, 'closed/data'],
    ['server', ...nowhere, 'closed/data'],
    ['server', ...nowhere, 'data', '--db-path', 'closed/db'],
  ]) {
    assert.match(await refusal(lab.program(args)), /closed.*: it is not permitted$/)
  }
})
