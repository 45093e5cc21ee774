/** What a driver remembers of one upload, as a good application would. */
import type { JobReply } from '../../src/domain/protocol.ts'
import { form } from './api.ts'
import type { Door } from './door.ts'
import type { Task } from './tasks.ts'

/** An answer of the server, or that none came: the connection broke, or it took too long. */
export type Answer =
  | { readonly status: number; readonly body: JobReply; readonly retryAfterSeconds: number | null }
  | { readonly broke: string }

export class Sent {
  readonly task: Task
  readonly user: string
  readonly service: string
  readonly idempotencyKey: string
  /** To each time that it was sent, in order. */
  readonly answers: Answer[] = []
  /** To each time that its end was asked for. */
  readonly terminations: Answer[] = []

  constructor(task: Task, user: string, service = 'example') {
    this.task = task
    this.user = user
    this.service = service
    this.idempotencyKey = `key-${task.label}`
  }

  /** The jobs that it was told of; more than one only where `Idempotency-Key` means nothing. */
  get ids(): number[] {
    return [...new Set(this.#taken().map(({ body }) => body.id))]
  }

  get id(): number | undefined {
    return this.ids[0]
  }

  /** How often it was told that there is a new job. */
  get createdTimes(): number {
    return this.#taken().filter(({ status }) => status === 201).length
  }

  get wasToEnd(): boolean {
    return this.terminations.length > 0
  }

  /** Whether an answer said that it has ended, or will. */
  get hasHeardOfItsEnd(): boolean {
    return this.terminations.some((answer) => 'status' in answer && answer.status < 500)
  }

  #taken(): Exclude<Answer, { broke: string }>[] {
    return this.answers
      .filter((answer) => 'status' in answer)
      .filter(({ status }) => status === 200 || status === 201)
  }
}

/** Sends it once, and remembers what came of it. */
export async function send(
  door: Door,
  sent: Sent,
  patience: AbortSignal = AbortSignal.timeout(30_000),
): Promise<Answer> {
  const { task, user, service, idempotencyKey } = sent
  const answer = await ask(door, '/upload', {
    method: 'POST',
    headers: { 'idempotency-key': idempotencyKey },
    body: form(task.files, { user_id: user, service, ...task.fields }),
    signal: patience,
  })
  sent.answers.push(answer)
  return answer
}

/** Asks once for its end, and remembers what came of it. */
export async function terminate(
  door: Door,
  sent: Sent,
  patience: AbortSignal = AbortSignal.timeout(30_000),
): Promise<Answer> {
  const answer = await ask(door, `/terminate/${sent.id}`, { method: 'POST', signal: patience })
  sent.terminations.push(answer)
  return answer
}

async function ask(door: Door, path: string, init: RequestInit): Promise<Answer> {
  try {
    const response = await door.fetch(path, init)
    const retryAfter = response.headers.get('retry-after')
    const body = (await response.json()) as JobReply
    const retryAfterSeconds = retryAfter === null ? null : Number(retryAfter)
    return { status: response.status, body, retryAfterSeconds }
  } catch (error) {
    return { broke: String((error as Error).cause ?? error) }
  }
}
