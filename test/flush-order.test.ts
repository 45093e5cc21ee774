/** Nothing is answered before what it promises is flushed, as the system sees it. */
import assert from 'node:assert/strict'
import { access, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'node:test'
import { ensureCommand } from './harness/debian.ts'
import { Lab, until } from './harness/lab.ts'
import { Syscalls } from './harness/syscalls.ts'
import type { Syscall } from './harness/syscalls.ts'

/** A rename to a name, or a flush of a file or directory; names are below a directory. */
type Step = { readonly rename: string } | { readonly flush: string }

/** What a process did, with the names that files have in the end. */
class Trace {
  readonly #calls: readonly Syscall[]

  constructor(calls: readonly Syscall[], root: string, directory: string) {
    const named = (path: string) =>
      path.startsWith(root)
        ? path
            .slice(root.length)
            .replace(/^\/incoming\/[0-9a-f-]+/, `/${directory}`)
            // It gets its name while it is flushed.
            .replace(/\.zip\.part$/, '.zip')
        : path
    this.#calls = calls.map((call) => ({ ...call, path: named(call.path) }))
  }

  /** The first time that something was told. */
  told(what: RegExp): number {
    const index = this.#calls.findIndex(
      ({ name, text }) => name.startsWith('write') && what.test(text),
    )
    assert.notEqual(index, -1, `nothing was told like ${what}`)
    return index
  }

  /** The first time since then that a step was done. */
  done(step: Step, since = 0): number {
    const [path, isIt] =
      'rename' in step
        ? [step.rename, (name: string) => name.startsWith('rename')]
        : [step.flush, (name: string) => name.endsWith('sync')]
    const index = this.#calls.findIndex(
      (call, at) => at >= since && isIt(call.name) && call.path === path,
    )
    const said = this.#calls.map(({ name, path: of }) => `${name} ${of}`).join('\n')
    assert.notEqual(index, -1, `there was no ${JSON.stringify(step)} since ${since}:\n${said}`)
    return index
  }

  /** Asserts that the groups of steps were done one after the other, and then something was told. */
  assertOrder(groups: readonly (readonly Step[])[], what: RegExp): void {
    let from = 0
    for (const group of groups) {
      from = 1 + Math.max(...group.map((step) => this.done(step, from)))
    }
    const told = this.told(what)
    assert.ok(from <= told, `${JSON.stringify(groups.at(-1))} came after ${what} was told`)
  }
}

const flush = (path: string): Step => ({ flush: path })

test('what is promised is flushed before it is told', async (t) => {
  const missing = await ensureCommand('strace')
  if (missing !== undefined) return t.skip(missing)
  await using lab = await Lab.create()
  const { api, program, client } = await lab.pair()
  await program.line(({ msg }) => msg.includes('is reachable'))
  const traces = await Promise.all([
    Syscalls.of(program, join(lab.directory, 'server.trace')),
    Syscalls.of(client.program, join(lab.directory, 'client.trace')),
  ]).catch((error: unknown) => String(error))
  if (typeof traces === 'string') return t.skip(`a process cannot be traced here: ${traces}`)
  const [atServer, atClient] = traces
  const id = await api.upload({ 'run.sh': 'head -c 20000 /dev/urandom > out', 'a/b.txt': 'b' })
  await api.ended(id)
  const payload = String((await api.job(id)).attempts[0]?.payload)
  const payloads = join(lab.directory, 'client/payloads')
  await until('the client has forgotten it', () =>
    access(join(payloads, payload)).then(
      () => false,
      () => true,
    ),
  )
  const server = new Trace(await atServer.stop(), join(lab.directory, 'server/jobs'), String(id))
  const database = flush(join(lab.directory, 'server.sqlite-wal'))
  const inputs = ['/run.sh', '/a/b.txt', '/a', ''].map((path) => flush(`/${id}/input${path}`))
  const files = [...inputs, flush(`/${id}`), flush('')]
  server.assertOrder([files, [database]], /HTTP\/1\.1 201/)
  // Its attempt and its key are committed with it, or after it, before anything of it is sent.
  server.assertOrder([files, [database]], /POST \/submit/)
  const result = `/${id}/result.1.zip`
  const forgetting = /DELETE \/payloads\//
  server.assertOrder([[{ rename: result }], [flush(`/${id}`)], [database]], forgetting)
  server.assertOrder([[flush(result)], [database]], forgetting)

  const there = new Trace(await atClient.stop(), payloads, payload)
  const at = (name: string) => `/${payload}${name}`
  there.assertOrder(
    [
      [flush(at('/result.zip')), flush(at('/outcome.json.part'))],
      [{ rename: at('/outcome.json') }],
      [flush(at(''))],
    ],
    /event: payload.*Completed/,
  )
})

test('directories that are made at the start are flushed before it is ready', async (t) => {
  const missing = await ensureCommand('strace')
  if (missing !== undefined) return t.skip(missing)
  await using lab = await Lab.create()
  for (const [mode, made] of [
    ['server', ['data', 'data/new', 'data/new/jobs']],
    ['client', ['data', 'data/new', 'data/new/payloads']],
  ] as const) {
    const trace = join(lab.directory, `${mode}.trace`)
    await using program = lab.program(
      [mode, '--port', '0', '--data-path', `${mode}/data/new`],
      {},
      // -D: the program is our child, not strace
      ['strace', '-D', '-f', '-y', '-e', 'trace=fsync', '-o', trace],
    )
    await program.address()
    await program.stop()
    const read = () => readFile(trace, 'utf8')
    await until('strace has written all', async () => /exited with 0/.test(await read()))
    const flushed = await read()
    const root = join(lab.directory, mode)
    // In what is above it a directory has its name.
    for (const directory of [lab.directory, ...made.map((name) => join(root, name))]) {
      assert.ok(flushed.includes(`<${directory}>`), `${directory}:\n${flushed}`)
    }
  }
})
