/**
 * A client of version 2.2.3, as `docs/switching.md` tells of it: ids from 1, no keys, no events,
 * payloads that are started and looked at every half second, results without a checksum. It runs
 * real scripts. What a test wants to go wrong goes wrong by its switches.
 */
import { spawn } from 'node:child_process'
import type { ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { mkdir, mkdtemp, readFile, readdir, rm, writeFile } from 'node:fs/promises'
import { createServer } from 'node:http'
import type { IncomingMessage, Server, ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { basename, join } from 'node:path'
import type { Readable } from 'node:stream'
import { buffer } from 'node:stream/consumers'
import busboy from 'busboy'
import { ZipFile } from 'yazl'

const tickMs = 500

type Payload = {
  readonly id: number
  readonly directory: string
  status: string
  pid: number
  killed: boolean
  process?: ChildProcess
}

export class RClient implements AsyncDisposable {
  readonly address: string
  /** Files of each submission, in the order in which they came: names and contents. */
  readonly submissions: Map<string, Buffer>[] = []
  /** Paths of all requests but those for the load. */
  readonly requests: string[] = []
  /** What `/load` tells. */
  load = 0
  /** Prepared payloads are not started. */
  isHeld = false
  /** So many results are cut in half. */
  halfResults = 0
  /** Bytes of an answer to `/submit` that were written before the reader went away. */
  answeredBytes = 0
  /** Called before a submission is answered. */
  beforeAnswer: (response: ServerResponse) => Promise<void> | void = () => {}
  readonly #server: Server
  readonly #root: string
  readonly #timer: NodeJS.Timeout
  #payloads = new Map<number, Payload>()
  #lives = 1

  private constructor(server: Server, root: string) {
    this.#server = server
    this.#root = root
    this.address = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
    this.#timer = setInterval(() => this.#tick(), tickMs)
  }

  static async create(): Promise<RClient> {
    const server = createServer((request, response) => {
      client.#answer(request, response).catch((error: unknown) => response.destroy(error as Error))
    })
    server.listen(0, '127.0.0.1')
    await once(server, 'listening')
    const root = await mkdtemp(join(tmpdir(), 'job-orchestrator-test-r-'))
    const client = new RClient(server, root)
    return client
  }

  /** Its database is gone: ids begin again at 1. What runs goes on. */
  forget(): void {
    this.#payloads = new Map()
    this.#lives++
  }

  /** A payload came from somebody else; it never ends. */
  async addStranger(files: Readonly<Record<string, string>>): Promise<number> {
    const contents = Object.entries(files).map(([name, text]) => [name, Buffer.from(text)] as const)
    return (await this.#add(new Map(contents))).id
  }

  /** Process ids of the scripts that were started, in order. */
  get pids(): number[] {
    return [...this.#payloads.values()].map(({ pid }) => pid).filter((pid) => pid > 0)
  }

  async #answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const { method, url = '' } = request
    if (url !== '/load') this.requests.push(`${method} ${url}`)
    const [, verb = '', id = ''] = url.split('/')
    const route = `${method} /${verb}`
    if (route === 'GET /load') return json(response, 200, this.load)
    if (url === '/') return json(response, 200, { message: 'pong' })
    if (route === 'POST /submit') return this.#submit(request, response)
    const known = ['GET /retrieve', 'GET /retrieve_partial', 'POST /kill']
    if (!known.includes(route)) return void response.writeHead(404).end()
    const payload = this.#payloads.get(Number(id))
    if (!payload) return json(response, 404, reply({ id: 0, status: 'Unknown' }))
    if (verb === 'kill') return this.#kill(payload, response)
    if (verb === 'retrieve' && payload.status !== 'Completed')
      return json(response, 200, reply(payload))
    const zip = await pack(payload.directory, verb === 'retrieve')
    const isHalf = this.halfResults > 0 && verb === 'retrieve'
    if (isHalf) this.halfResults--
    response.writeHead(200, { 'content-type': 'application/zip' })
    response.end(isHalf ? zip.subarray(0, zip.length / 2) : zip)
  }

  async #submit(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const files = await receive(request)
    this.submissions.push(files)
    const payload = await this.#add(files)
    await this.beforeAnswer(response)
    // The whole upload comes back, as arrays of numbers.
    response.writeHead(200, { 'content-type': 'application/json' })
    const input = Object.fromEntries([...files].map(([name, content]) => [name, [...content]]))
    const text = JSON.stringify(reply({ ...payload, status: 'Prepared' }, input))
    for (let at = 0; at < text.length && !response.destroyed; at += 65_536) {
      const piece = text.slice(at, at + 65_536)
      this.answeredBytes += piece.length
      if (!response.write(piece))
        await Promise.race([once(response, 'drain'), once(response, 'close')])
    }
    response.end()
  }

  async #add(files: ReadonlyMap<string, Buffer>): Promise<Payload> {
    const id = this.#payloads.size + 1
    const directory = join(this.#root, `${this.#lives}-${id}`)
    const payload: Payload = { id, directory, status: 'Unknown', pid: 0, killed: false }
    this.#payloads.set(id, payload)
    await mkdir(directory)
    for (const [name, content] of files) await writeFile(join(directory, name), content)
    payload.status = 'Prepared'
    return payload
  }

  #kill(payload: Payload, response: ServerResponse): void {
    if (payload.pid > 0) payload.process?.kill('SIGTERM')
    payload.killed = true
    response.writeHead(200, { 'content-length': 0 }).end()
  }

  /** The runner and the updater. */
  #tick(): void {
    for (const payload of this.#payloads.values()) {
      if (payload.status === 'Running') void this.#update(payload)
      else if (payload.status === 'Prepared' && !this.isHeld) void this.#start(payload)
    }
  }

  async #start(payload: Payload): Promise<void> {
    payload.status = 'Running'
    const script = await readFile(join(payload.directory, 'run.sh'), 'utf8').catch(() => '')
    if (!/trap/.test(script) || !script.includes('.orchestrator.exit') || /\bcurl\b/.test(script)) {
      payload.status = 'Invalid'
      return
    }
    const { directory } = payload
    const child = spawn('bash', [join(directory, 'run.sh')], { cwd: directory, stdio: 'ignore' })
    payload.process = child
    payload.pid = child.pid ?? 0
  }

  async #update(payload: Payload): Promise<void> {
    if (payload.killed) {
      payload.status = 'Killed'
      return
    }
    const exit = await readFile(join(payload.directory, '.orchestrator.exit'), 'utf8').catch(
      () => '',
    )
    const code = Number.parseInt(exit, 10)
    if (Number.isInteger(code)) payload.status = code === 0 ? 'Completed' : 'Failed'
  }

  async [Symbol.asyncDispose](): Promise<void> {
    clearInterval(this.#timer)
    this.#server.close()
    this.#server.closeAllConnections()
    await once(this.#server, 'close')
    for (const { process } of this.#payloads.values()) process?.kill('SIGKILL')
    await rm(this.#root, { recursive: true, force: true })
  }
}

function reply({ id, status, ...more }: Partial<Payload>, input: unknown = {}) {
  const { directory = '', pid = 0, killed = false } = more
  return { id, input, status, loc: directory, pid, killed }
}

function json(response: ServerResponse, status: number, body: unknown): void {
  response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(body))
}

/** Base names alone; of equal ones the last counts. A name that is encoded is not seen. */
async function receive(request: IncomingMessage): Promise<Map<string, Buffer>> {
  const files = new Map<string, Buffer>()
  const waiting: Promise<void>[] = []
  const parser = busboy({ headers: request.headers, defParamCharset: 'utf8', preservePath: true })
  parser.on('file', (_field, stream: Readable, { filename }) => {
    waiting.push(
      buffer(stream).then((content) => void files.set(basename(filename ?? ''), content)),
    )
  })
  request.pipe(parser)
  await once(parser, 'close')
  await Promise.all(waiting)
  return files
}

/** @param hasItself the archive is written into the directory that it packs. */
async function pack(directory: string, hasItself: boolean): Promise<Buffer> {
  const zip = new ZipFile()
  const entries = await readdir(directory, { recursive: true, withFileTypes: true })
  for (const entry of entries) {
    const path = join(entry.parentPath, entry.name)
    const name = path.slice(directory.length + 1)
    if (entry.isDirectory()) zip.addEmptyDirectory(name, { mode: 0o40755 })
    else zip.addBuffer(await readFile(path), name, { mode: 0o100755 })
  }
  if (hasItself) zip.addBuffer(Buffer.from('PK\u0003\u0004 half of an archive'), 'output.zip')
  zip.end()
  return buffer(zip.outputStream)
}
