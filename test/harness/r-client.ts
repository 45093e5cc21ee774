/**
 * A client of version 2.2.3, as its source tells: ids from 1, no keys, no events, payloads that are
 * started and looked at every half second, results without a checksum. It runs real scripts. What a
 * test wants to go wrong goes wrong by its switches.
 */
import { spawn } from 'node:child_process'
import type { ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { createServer } from 'node:http'
import type { IncomingMessage, Server, ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { basename, join } from 'node:path'
import { Readable } from 'node:stream'
import { buffer } from 'node:stream/consumers'
import { pipeline } from 'node:stream/promises'
import busboy from 'busboy'
import { packNow, packOnce } from './r-zip.ts'

const tickMs = 500

/** The line that such a client wants in every script. */
export const trap = "trap 'echo $? > .orchestrator.exit' EXIT\n"

type Payload = {
  readonly id: number
  readonly directory: string
  status: string
  pid: number
  killed: boolean
  process?: ChildProcess
}

/** A request, by which switches tell what they are asked about. */
export type Asked = { readonly verb: string; readonly id: number }

export class RClient implements AsyncDisposable {
  readonly address: string
  /** Files of each submission, in the order in which they came: names and contents. */
  readonly submissions: Map<string, Buffer>[] = []
  /** Method and path of all requests but those for the load. */
  readonly requests: string[] = []
  /** What `/load` tells. */
  load = 0
  /** Prepared payloads are not started. */
  isHeld = false
  /** Nobody is told that a payload has ended, nor is it noted. */
  isDeaf = false
  /** Bytes of answers to `/submit` that were written before the reader went away. */
  answeredBytes = 0
  /** Called before a submission is received. */
  beforeBody: (request: IncomingMessage) => Promise<void> | void = () => {}
  /** Called when a submission is received, before it is answered. */
  beforeAnswer: (response: ServerResponse, id: number) => Promise<void> | void = () => {}
  /** Called before a question about a payload; what answers it here is the answer. */
  beforeReply: (asked: Asked, response: ServerResponse) => Promise<void> | void = () => {}
  /** What becomes of a result on its way. */
  onResult: (zip: Buffer, asked: Asked) => Buffer = (zip) => zip
  readonly #port: number
  readonly #root: string
  readonly #processes: ChildProcess[] = []
  readonly #timer: NodeJS.Timeout
  #server: Server
  #payloads = new Map<number, Payload>()
  #lives = 1

  private constructor(server: Server, root: string) {
    this.#server = server
    this.#root = root
    this.#port = (server.address() as AddressInfo).port
    this.address = `http://127.0.0.1:${this.#port}`
    this.#timer = setInterval(() => this.#tick(), tickMs)
  }

  static async create(): Promise<RClient> {
    const server = await listen(0, (...args) => client.#take(...args))
    const root = await mkdtemp(join(tmpdir(), 'job-orchestrator-test-r-'))
    const client = new RClient(server, root)
    return client
  }

  get port(): number {
    return this.#port
  }

  /** Its process has ended: nobody answers, nothing is started or looked at; scripts go on. */
  async stop(): Promise<void> {
    this.#server.close()
    this.#server.closeAllConnections()
    await once(this.#server, 'close')
  }

  /** It is started again, with what it knew. */
  async start(): Promise<void> {
    this.#server = await listen(this.#port, (...args) => this.#take(...args))
  }

  /**
   * Its database is gone: ids begin again at 1. What runs goes on.
   *
   * @param data whether the directories of its payloads are gone too.
   */
  forget(data: 'data too' | 'data stays' = 'data too'): void {
    this.#payloads = new Map()
    if (data === 'data too') this.#lives++
  }

  /** A payload came from another server. */
  async addStranger(files: Readonly<Record<string, string>>): Promise<number> {
    const contents = Object.entries(files).map(([name, text]) => [name, Buffer.from(text)] as const)
    return (await this.#add(new Map(contents))).id
  }

  /** Process ids of the scripts that were started, in order, whatever was forgotten. */
  get pids(): number[] {
    return this.#processes.map(({ pid }) => pid ?? 0)
  }

  /** What it says of a payload. */
  status(id: number): string | undefined {
    return this.#payloads.get(id)?.status
  }

  #take(request: IncomingMessage, response: ServerResponse): void {
    this.#answer(request, response).catch((error: unknown) => response.destroy(error as Error))
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
    const asked = { verb, id: Number(id) }
    await this.beforeReply(asked, response)
    if (response.headersSent || response.destroyed) return
    const payload = this.#payloads.get(asked.id)
    if (!payload) return json(response, 404, reply({ id: 0, status: 'Unknown' }))
    if (verb === 'kill') return this.#kill(payload, response)
    if (verb === 'retrieve' && payload.status !== 'Completed')
      return json(response, 200, reply(payload))
    const zip = await (verb === 'retrieve' ? packOnce : packNow)(payload.directory)
    response.writeHead(200, { 'content-type': 'application/zip' })
    response.end(this.onResult(zip, asked))
  }

  async #submit(request: IncomingMessage, response: ServerResponse): Promise<void> {
    await this.beforeBody(request)
    const files = await receive(request)
    this.submissions.push(files)
    const payload = await this.#add(files)
    await this.beforeAnswer(response, payload.id)
    if (response.headersSent || response.destroyed) return
    response.writeHead(200, { 'content-type': 'application/json' })
    for (const piece of sayPayload(payload, files)) {
      if (response.destroyed) return
      this.answeredBytes += piece.length
      if (!response.write(piece))
        await Promise.race([once(response, 'drain'), once(response, 'close')])
    }
    response.end()
  }

  /** A directory that is there already is taken, with all that is in it. */
  async #add(files: ReadonlyMap<string, Buffer>): Promise<Payload> {
    const id = this.#payloads.size + 1
    const directory = join(this.#root, `${this.#lives}-${id}`)
    const payload: Payload = { id, directory, status: 'Unknown', pid: 0, killed: false }
    this.#payloads.set(id, payload)
    await mkdir(directory, { recursive: true })
    for (const [name, content] of files) await writeFile(join(directory, name), content)
    payload.status = 'Prepared'
    return payload
  }

  /** The shell alone; its children go on. */
  #kill(payload: Payload, response: ServerResponse): void {
    if (payload.pid > 0) payload.process?.kill('SIGTERM')
    payload.killed = true
    response.writeHead(200, { 'content-length': 0 }).end()
  }

  /** The runner and the updater. */
  #tick(): void {
    if (!this.#server.listening) return
    for (const payload of this.#payloads.values()) {
      if (payload.status === 'Running' && !this.isDeaf) void this.#update(payload)
      else if (payload.status === 'Prepared' && !this.isHeld) void this.#start(payload)
    }
  }

  async #start(payload: Payload): Promise<void> {
    payload.status = 'Running'
    const script = await readFile(join(payload.directory, 'run.sh'), 'utf8').catch(() => '')
    // One word stands for its list.
    const isWanted = ['trap', '.orchestrator.exit', 'EXIT'].every((word) => script.includes(word))
    if (!isWanted || /\bcurl\b/.test(script)) {
      payload.status = 'Invalid'
      return
    }
    const { directory } = payload
    const child = spawn('bash', [join(directory, 'run.sh')], { cwd: directory, stdio: 'ignore' })
    this.#processes.push(child)
    payload.process = child
    payload.pid = child.pid ?? 0
  }

  /** Killed, before all else; then what the exit file says, if it is a number. */
  async #update(payload: Payload): Promise<void> {
    if (payload.killed) {
      payload.status = 'Killed'
      return
    }
    const file = join(payload.directory, '.orchestrator.exit')
    const exit = (await readFile(file, 'utf8').catch(() => '')).trim()
    if (/^[+-]?\d+$/.test(exit)) payload.status = Number(exit) === 0 ? 'Completed' : 'Failed'
  }

  async [Symbol.asyncDispose](): Promise<void> {
    clearInterval(this.#timer)
    if (this.#server.listening) await this.stop()
    for (const process of this.#processes) process.kill('SIGKILL')
    await rm(this.#root, { recursive: true, force: true })
  }
}

async function listen(
  port: number,
  take: (request: IncomingMessage, response: ServerResponse) => void,
): Promise<Server> {
  const server = createServer(take)
  server.listen(port, '127.0.0.1')
  await once(server, 'listening')
  return server
}

function reply({ id, status, ...more }: Partial<Payload>) {
  const { directory = '', pid = 0, killed = false } = more
  return { id, input: {}, status, loc: directory, pid, killed }
}

/** The id first, and the whole upload in it as arrays of numbers, piece by piece. */
function* sayPayload(
  { id, directory }: Payload,
  files: ReadonlyMap<string, Buffer>,
): Generator<string> {
  yield `{"id":${id},"input":{`
  let comma = ''
  for (const [name, content] of files) {
    yield `${comma}${JSON.stringify(name)}:[`
    comma = ','
    for (let at = 0; at < content.length; at += 16_384) {
      yield `${at > 0 ? ',' : ''}${content.subarray(at, at + 16_384).join(',')}`
    }
    yield ']'
  }
  yield `},"status":"Prepared","loc":${JSON.stringify(directory)},"pid":0,"killed":false}`
}

/** Answers with JSON. */
export function json(response: ServerResponse, status: number, body: unknown): void {
  response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(body))
}

/** Base names alone; of equal ones the last counts. A name that is encoded is not seen. */
async function receive(request: IncomingMessage): Promise<Map<string, Buffer>> {
  const body = await buffer(request) // of one that is cut nothing is kept
  const [encoded, unseen] = ['; filename*=', '; xxxxxxxx*=']
  for (let at = 0; (at = body.indexOf(encoded, at)) >= 0; at++) body.write(unseen, at)
  const parts: Promise<[string, Buffer]>[] = []
  const parser = busboy({ headers: request.headers, defParamCharset: 'utf8', preservePath: true })
  parser.on('file', (_field, stream: Readable, { filename = '' }) => {
    parts.push(buffer(stream).then((content) => [basename(filename), content]))
  })
  await pipeline(Readable.from([body]), parser)
  const files = new Map(await Promise.all(parts))
  files.delete('')
  return files
}
