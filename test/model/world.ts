/**
 * The world of the model check: a server, its clients with their machines, and the network, as one
 * plain value. `model.test.ts` says what is modelled and what is not.
 *
 * What survives whom: `jobs` the server's end (its database); of a client `payloads` and `refused`
 * its end (its directories), `processes` as well (each has a supervising shell), a power cut only
 * what was flushed. All else is gone when its process ends.
 */
import type { JobStatus } from '../../src/domain/job.ts'
import type { Ending } from '../../src/domain/job.ts'

export type World = {
  readonly jobs: ModelJob[]
  readonly server: ModelServer
  readonly clients: ModelClient[]
  calls: Call[]
  /** What may still be done to them. */
  left: { faults: number; terminations: number }
  /** Attempts that may run on beside a later one: their client was lost, by the rules or for good. */
  excused: string[]
  /** How often the script of each attempt was started. */
  readonly starts: Record<string, number>
}

/** What of a job decides; its attempts' clients by number, from 1. */
export type ModelJob = {
  status: JobStatus
  attempt: number
  lostAttempts: number
  failedAttempts: number
  readonly scriptAttempts: number
  isMarked: boolean
  readonly at: number[]
  /** The instance of that client that each attempt was meant for. */
  readonly meantFor: number[]
  /** The attempt whose result is stored, and how its script had ended. */
  result: { key: string; end: Ending } | null
}

type ModelServer = {
  isUp: boolean
  readonly links: Link[]
  sendings: Sending[]
  pursuits: Pursuit[]
  fetches: Fetch[]
  errands: Errand[]
}

/** The event stream to one client. */
export type Link = {
  stage: 'off' | 'asked' | 'open'
  /** The snapshot has been read. */
  isHealthy: boolean
  /** As which instance the client is known; 0 before it was heard of. */
  instance: number
  /** Keys held as accepted before the stream was asked for. */
  expected: string[]
  /** Told and not read yet. */
  events: StreamEvent[]
}

export type StreamEvent =
  | { readonly is: 'snapshot'; readonly instance: number; readonly payloads: readonly Told[] }
  | { readonly is: 'payload'; readonly payload: Told }
  | { readonly is: 'lost'; readonly key: string }

type Told = { readonly key: string; readonly status: PayloadStatus; readonly end: Ending | null }

type PayloadStatus = 'Prepared' | 'Running' | 'Ended'

export type Sending = {
  readonly key: string
  /** An earlier try may have arrived. */
  mayHaveArrived: boolean
  /** It waits until what the client receives under this key has come or gone. */
  waits: boolean
  /** Its client refused a later try; the earlier one is made sure of first. */
  isRefused: boolean
  /** The stream was asked for anew since it was sent. */
  isOvertaken: boolean
}
export type Fetch = { readonly key: string; readonly end: Ending; rests: boolean }
/** A payload is being killed, for its job is to be terminated. */
type Pursuit = { readonly key: string; isAgain: boolean }
export type Errand = { readonly is: 'forget' | 'cancel'; readonly key: string }

export type Answer =
  | 'accepted'
  | 'later'
  | 'gone'
  | 'busy'
  | 'known'
  | 'unknown'
  | 'done'
  | 'absent'

/** A request on its way, at work, or answered. */
export type Call = {
  readonly is: 'submit' | 'kill' | 'cancel' | 'forget' | 'result'
  readonly key: string
  stage: 'sent' | 'at work' | 'answered'
  answer: Answer | null
  /** Who made it waits for it no more. */
  isOrphan: boolean
}

export type ModelClient = {
  isUp: boolean
  /** A new one when its memory is gone. */
  instance: number
  /** Directories of payloads. */
  payloads: StoredPayload[]
  refused: string[]
  processes: Process[]
  table: Entry[]
  receiving: { readonly key: string; isPublished: boolean }[]
}

export type StoredPayload = {
  readonly key: string
  isStarted: boolean
  exit: 'zero' | 'other' | 'signal' | null
  /** It is to be ended, durably. */
  isMarked: boolean
  /** The machine has lost power since it came. */
  isOld: boolean
  outcome: Ending | null
}

/** A supervising shell with its script, or the script that one left. */
type Process = { readonly key: string; is: 'shell' | 'running' | 'orphan' }

/** A row of the client's table. */
export type Entry = {
  readonly key: string
  status: PayloadStatus
  kill: 'terminated' | 'cancelled' | null
  /** A shell was started for it, or its script was taken back. */
  isFollowed: boolean
  /** It is being packed as this. */
  packing: Ending | null
}

/** Rules of the program that a world may lack, to see that they are needed, and that it is seen. */
export type Rule =
  | 'a cancelled key is refused'
  | 'absence is a loss only of what was accepted before'
  | 'the start record is exclusive'
  | 'a refusal does not speak for earlier sendings'
  | 'a killed payload is not started by a late shell'
  | 'what was not packed before a power cut is lost'
  | 'a lost payload is refused'
  | 'a stale payload is cancelled'
  | 'marked jobs are looked for in snapshots'
  | 'a sending is resumed'
  | 'an answer that a new stream overtook is looked into'
  | 'a pursuit is taken up again'
  | 'a loss counts before the acceptance, too'
  | 'what need not be fetched is forgotten'
  | 'a payload is sent only to the instance that it was meant for'

export function keyOf(job: number, attempt: number): string {
  return `${job}.${attempt}`
}

export function jobOf(key: string): number {
  return Number(key.slice(0, key.indexOf('.')))
}

export function attemptOf(key: string): number {
  return Number(key.slice(key.indexOf('.') + 1))
}

/** The client that an attempt was given to. */
export function clientOf(world: World, key: string): number {
  return world.jobs[jobOf(key)]?.at[attemptOf(key) - 1] ?? 0
}

/** What must never be. */
export class Violation extends Error {}

export type WorldOptions = {
  readonly jobs: number
  readonly clients: number
  readonly faults: number
  readonly terminations: number
  readonly scriptAttempts: number
}

export function newWorld(options: WorldOptions): World {
  return {
    jobs: Array.from({ length: options.jobs }, () => ({
      status: 'Queued',
      attempt: 0,
      lostAttempts: 0,
      failedAttempts: 0,
      scriptAttempts: options.scriptAttempts,
      isMarked: false,
      at: [],
      meantFor: [],
      result: null,
    })),
    server: {
      isUp: true,
      // All have met already: how they do so comes again after each fault.
      links: Array.from({ length: options.clients }, () => ({
        ...newLink(1),
        stage: 'open',
        isHealthy: true,
      })),
      sendings: [],
      pursuits: [],
      fetches: [],
      errands: [],
    },
    clients: Array.from({ length: options.clients }, () => ({
      isUp: true,
      instance: 1,
      payloads: [],
      refused: [],
      processes: [],
      table: [],
      receiving: [],
    })),
    calls: [],
    left: { faults: options.faults, terminations: options.terminations },
    excused: [],
    starts: {},
  }
}

export function newLink(instance = 0): Link {
  return { stage: 'off', isHealthy: false, instance, expected: [], events: [] }
}

/** A copy that shares nothing that may change. */
export function copyOf({ jobs, server, clients, calls, left, excused, starts }: World): World {
  return {
    jobs: jobs.map((job) => ({ ...job, at: [...job.at], meantFor: [...job.meantFor] })),
    server: {
      isUp: server.isUp,
      links: server.links.map((link) => ({ ...link, events: [...link.events] })),
      sendings: copies(server.sendings),
      pursuits: copies(server.pursuits),
      fetches: copies(server.fetches),
      errands: [...server.errands],
    },
    clients: clients.map((client) => ({
      isUp: client.isUp,
      instance: client.instance,
      payloads: copies(client.payloads),
      refused: [...client.refused],
      processes: copies(client.processes),
      table: copies(client.table),
      receiving: copies(client.receiving),
    })),
    calls: copies(calls),
    left: { ...left },
    excused: [...excused],
    starts: { ...starts },
  }
}

function copies<T extends object>(list: readonly T[]): T[] {
  return list.map((one) => ({ ...one }))
}
