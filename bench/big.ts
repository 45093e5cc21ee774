/** A large upload and a large result: the speed of each hop, and the memory of each process. */
import { randomBytes } from 'node:crypto'
import { createReadStream, openAsBlob } from 'node:fs'
import { open, readFile } from 'node:fs/promises'
import { createServer } from 'node:http'
import { once } from 'node:events'
import { join } from 'node:path'
import { Lab } from '../test/harness/lab.ts'
import type { Figure } from './figure.ts'

const mostMemoryMb = 200
const patienceMs = 600_000
const blockBytes = 8 * 1024 * 1024

/** One job that takes a file of this size and gives it back under another name. */
export async function big(sizeBytes: number): Promise<Figure[]> {
  await using lab = await Lab.create()
  const args = ['--max-upload-size', String(sizeBytes + 1024 ** 2)]
  const { api, program, client } = await lab.pair({ args }, { args })
  const file = join(lab.directory, 'in.bin')
  await fill(file, sizeBytes)

  const form = new FormData()
  form.set('user_id', '1')
  form.set('service', 'example')
  form.append('file', new Blob(['mv in.bin out.bin\n']), 'run.sh')
  form.append('file', await openAsBlob(file), 'in.bin')
  const start = performance.now()
  const { status, body } = await api.post('/upload', form)
  if (status !== 201) throw new Error(`the upload was refused: ${body.message}`)
  const uploaded = performance.now()
  const job = await api.ended(body.id, patienceMs)
  if (job.status !== 'Completed') throw new Error(`the job is ${job.status}: ${job.message}`)
  const ended = performance.now()
  const download = await drain(await fetch(`${api.address}/download/${body.id}`))
  const downloaded = performance.now()
  if (download !== job.result?.sizeBytes || download < sizeBytes) {
    throw new Error(`the result has ${download} bytes`)
  }
  const bareMbPerS = await bareDownload(file, sizeBytes)
  const speed = (from: number, to: number) => sizeBytes / 1e6 / ((to - from) / 1000)
  const size = `${(sizeBytes / 1024 ** 3).toFixed(1)} GiB`
  return [
    { name: `big ${size}, upload`, value: `${speed(start, uploaded).toFixed(0)} MB/s` },
    {
      name: `big ${size}, send + run + pack + get`,
      value: `${speed(uploaded, ended).toFixed(0)} MB/s`,
    },
    {
      name: `big ${size}, download`,
      value: `${speed(ended, downloaded).toFixed(0)} MB/s`,
      beside: `bare Node server ${bareMbPerS.toFixed(0)} MB/s`,
    },
    await memory('server', program.pid),
    await memory('client', client.program.pid),
  ]
}

/** Bytes that no packer makes smaller. */
async function fill(file: string, sizeBytes: number): Promise<void> {
  const block = randomBytes(blockBytes)
  await using handle = await open(file, 'w')
  for (let at = 0; at < sizeBytes; at += blockBytes) {
    await handle.appendFile(block.subarray(0, Math.min(blockBytes, sizeBytes - at)))
  }
}

async function drain(response: Response): Promise<number> {
  let sizeBytes = 0
  for await (const chunk of response.body ?? []) sizeBytes += chunk.byteLength
  return sizeBytes
}

async function bareDownload(file: string, sizeBytes: number): Promise<number> {
  const server = createServer((_request, response) => {
    createReadStream(file, { highWaterMark: 1024 ** 2 }).pipe(response)
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const address = server.address()
  const port = typeof address === 'object' ? address?.port : undefined
  const start = performance.now()
  await drain(await fetch(`http://127.0.0.1:${port}/`))
  const seconds = (performance.now() - start) / 1000
  server.close()
  server.closeAllConnections()
  return sizeBytes / 1e6 / seconds
}

/** Peak resident memory of a process: `VmHWM` in proc(5). */
async function memory(name: string, pid: number): Promise<Figure> {
  const status = await readFile(`/proc/${pid}/status`, 'latin1')
  const mb = Number(/^VmHWM:\s+(\d+) kB/m.exec(status)?.[1]) / 1000
  return {
    name: `big, peak memory of the ${name}`,
    value: `${mb.toFixed(0)} MB`,
    bar: `< ${mostMemoryMb} MB`,
    holds: mb < mostMemoryMb,
  }
}
