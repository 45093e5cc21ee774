/** The example as a job: what an application does over HTTP. */
import { openAsBlob } from 'node:fs'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { setTimeout as delay } from 'node:timers/promises'
import { fromBufferPromise } from 'yauzl'

export const exampleDirectory = join(import.meta.dirname, '..', 'contacts')
export const exampleFiles = [
  'run.sh',
  'root.awk',
  'geometry.awk',
  'random-chains.awk',
  'helix.pdb',
] as const

/** The seed of the random chains in the example's run.sh; other seeds make other jobs of it. */
const ownSeed = 'seed=1953 '

const pollMs = 5

export type Step = { readonly status: string; readonly reason: string; readonly afterMs: number }

export type Result = {
  readonly sizeBytes: number
  readonly entries: readonly { readonly name: string; readonly sizeBytes: number }[]
  readonly text: string
}

type JobReply = { readonly id: number; readonly status: string }

export type JobDetails = JobReply & {
  readonly finalAt: string | null
  readonly attempts: readonly {
    readonly client: string
    readonly startedAt: string | null
    readonly endedAt: string | null
  }[]
  readonly history: readonly { readonly at: string; readonly to: string; readonly reason: string }[]
}

/** Sends the example, with a seed for its random chains. Returns the new job's id. */
export async function upload(address: string, seed: number, signal: AbortSignal): Promise<number> {
  const form = new FormData()
  form.set('user_id', 'demo')
  form.set('service', 'example')
  for (const name of exampleFiles) {
    form.append('file', await readExample(name, seed), name)
  }
  const reply = await fetch(`${address}/upload`, { method: 'POST', body: form, signal })
  if (reply.status !== 201) throw new Error(`POST /upload: ${reply.status} ${await reply.text()}`)
  return ((await reply.json()) as JobReply).id
}

async function readExample(name: string, seed: number): Promise<Blob> {
  const path = join(exampleDirectory, name)
  if (name !== 'run.sh') return openAsBlob(path)
  const script = await readFile(path, 'utf8')
  if (!script.includes(ownSeed)) throw new Error(`${path} has no "${ownSeed}"`)
  return new Blob([script.replace(ownSeed, `seed=${seed} `)])
}

/** The steps of a job as they come, until it has ended; returns all that is known of it then. */
export async function* follow(
  address: string,
  id: number,
  signal: AbortSignal,
): AsyncGenerator<Step, JobDetails> {
  let seen = 0
  for (;;) {
    const reply = await fetch(`${address}/jobs/${id}`, { signal })
    if (!reply.ok) throw new Error(`GET /jobs/${id}: ${reply.status} ${await reply.text()}`)
    const job = (await reply.json()) as JobDetails
    const { history, finalAt } = job
    const start = Date.parse(history[0]?.at ?? '')
    for (const { at, to, reason } of history.slice(seen)) {
      yield { status: to, reason, afterMs: Date.parse(at) - start }
    }
    seen = history.length
    if (finalAt !== null) return job
    await delay(pollMs, undefined, { signal })
  }
}

/**
 * Downloads a ZIP, and looks into it.
 *
 * @param wanted the entry whose text is wanted.
 */
export async function download(
  address: string,
  path: string,
  wanted: string,
  signal: AbortSignal,
): Promise<Result> {
  const reply = await fetch(address + path, { signal })
  if (reply.headers.get('content-type') !== 'application/zip') {
    throw new Error(`GET ${path}: ${reply.status} ${await reply.text()}`)
  }
  const bytes = Buffer.from(await reply.arrayBuffer())
  const zip = await fromBufferPromise(bytes)
  const entries = []
  let content = ''
  for await (const entry of zip.eachEntry()) {
    entries.push({ name: entry.fileName, sizeBytes: entry.uncompressedSize })
    if (entry.fileName === wanted) content = await text(await zip.openReadStreamPromise(entry))
  }
  return { sizeBytes: bytes.byteLength, entries, text: content }
}
