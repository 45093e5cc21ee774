/**
 * The shapes on the wire, with their schemas: each is validation, type and documentation at once.
 */
import { Type } from 'typebox'
import type { Static, TSchema } from 'typebox'
import type { LimitName } from './limits.ts'
import { jobStatuses } from './job.ts'
import { payloadStatuses } from './payload.ts'

/** Version of what our server and our client say to each other in `/events`. */
export const protocolVersion = 1

/** The text part of `/submit` that carries `SubmitOptions`; a 2.2.3 client ignores it. */
export const optionsPart = 'job-orchestrator'

/** Carries an attempt's key with calls that name a payload by its id. */
export const keyHeader = 'job-key'

const oneOf = (values: readonly string[]) => Type.Enum([...values])

/** All statuses that an application may meet; `Prepared`, `Locked`, `Unknown` for compatibility. */
const anyStatus = Type.Enum([...jobStatuses, 'Prepared', 'Locked', 'Unknown'])

export const MessageReply = Type.Object({ message: Type.String() }, { $id: 'Message' })

/** What applications get of a job, and of every error. */
export const JobReply = Type.Object(
  {
    id: Type.Integer({ description: 'The job; 0 if there is none.' }),
    status: anyStatus,
    message: Type.String({ description: 'Why; empty while there is nothing to say.' }),
  },
  { $id: 'Job', description: 'A job and how it is, or why a request was refused.' },
)
export type JobReply = Static<typeof JobReply>

/** What servers get of a payload. A 2.2.3 server needs the first six fields with these types. */
export const PayloadReply = Type.Object(
  {
    id: Type.Integer(),
    input: Type.Object({}),
    status: oneOf([...payloadStatuses, 'Unknown']),
    loc: Type.String(),
    pid: Type.Integer({ minimum: 0 }),
    killed: Type.Boolean(),
    message: Type.String(),
    instance: Type.Optional(Type.String()),
  },
  { $id: 'Payload', description: 'A payload and how it is.' },
)
export type PayloadReply = Static<typeof PayloadReply>

/**
 * A key is the server's id and a random token: which attempt of which server. Both sides check
 * the form before a key becomes part of a path or a query.
 */
const serverIdPattern = '[0-9a-f]{16}'
export const ServerId = Type.String({ pattern: `^${serverIdPattern}$` })
const keyPattern = `${serverIdPattern}-[0-9a-f]{32}`
export const Key = Type.String({ pattern: `^${keyPattern}$` })

/** So many keys are named by one call: they are in its path. */
export const mostKeysAtOnce = 32
/** Keys with commas between them. */
export const Keys = Type.String({
  pattern: `^${keyPattern}(,${keyPattern}){0,${mostKeysAtOnce - 1}}$`,
})

const OneLimit = Type.Object({
  most: Type.Integer({ minimum: 1 }),
  of: Type.Union([Type.Literal('client'), Type.Literal('service'), Type.Literal('upload')]),
})

/** Some of the limits there are; see `limits.ts`. */
function limitsOf<S extends TSchema>(one: S) {
  return Type.Object({
    memoryBytes: Type.Optional(one),
    cpuTimeMs: Type.Optional(one),
    processes: Type.Optional(one),
    openFiles: Type.Optional(one),
    fileSizeBytes: Type.Optional(one),
    diskBytes: Type.Optional(one),
    outputBytes: Type.Optional(one),
  } satisfies Record<LimitName, TSchema>)
}

export const SubmitOptions = Type.Object({
  key: Key,
  jobId: Type.Integer({ minimum: 1 }),
  /** These become variables of the script. */
  userId: Type.String({ pattern: '^[A-Za-z0-9._@-]{1,128}$' }),
  service: Type.String({ pattern: '^[^\\u0000-\\u001f\\u007f]{1,256}$' }),
  attempt: Type.Integer({ minimum: 1 }),
  /** Only this instance may take it: another one cannot know whether it has run already. */
  instance: Type.Optional(Type.String({ minLength: 1, maxLength: 256 })),
  /** The longest time that run.sh may run, and whose limit that is; absent: there is none. */
  maxRuntimeMs: Type.Optional(Type.Integer({ minimum: 1 })),
  maxRuntimeOf: Type.Optional(Type.Union([Type.Literal('service'), Type.Literal('upload')])),
  /** What run.sh may use at most, and whose limits these are; an earlier client has none. */
  limits: Type.Optional(limitsOf(OneLimit)),
})
export type SubmitOptions = Static<typeof SubmitOptions>

/** What `POST /payloads/{key}/kill` and `.../cancel` answer. */
export const KeyReply = Type.Object(
  {
    known: Type.Boolean({
      description: 'false: nothing is held under this key, and nothing ever will be.',
    }),
  },
  { $id: 'Key' },
)

const ResultInfo = Type.Object({
  sizeBytes: Type.Integer({ minimum: 0 }),
  sha256: Type.String({ pattern: '^[0-9a-f]{64}$' }),
})

/** A result up to this size is told together with the end: so many of them are a short event. */
export const mostToldBytes = 8 * 1024

/** Why; it is stored, and told to users. */
const Told = Type.String({ maxLength: 16 * 1024 })

/** One payload in the event stream. `result` is there when it has ended. */
export const PayloadEvent = Type.Object({
  key: Key,
  id: Type.Integer(),
  status: oneOf(payloadStatuses),
  message: Told,
  result: Type.Optional(ResultInfo),
  /** The result itself, in base64, where it is small: it need not be fetched then. */
  zip: Type.Optional(Type.String({ maxLength: Math.ceil(mostToldBytes / 3) * 4 })),
})
export type PayloadEvent = Static<typeof PayloadEvent> & {
  status: (typeof payloadStatuses)[number]
}

export const LoadEvent = Type.Object({
  load: Type.Number({ minimum: 0, maximum: 100 }),
  slots: Type.Union([Type.Integer({ minimum: 1 }), Type.Null()]),
  active: Type.Integer({ minimum: 0 }),
  /** It takes no new payloads; absent: it does. */
  draining: Type.Optional(Type.Boolean()),
  /** Its disk has too little left, so it takes none either; absent: it has enough. */
  lowSpace: Type.Optional(Type.Boolean()),
  /** Its scripts are to be isolated and cannot be, so it takes none either; absent: they can. */
  noSandbox: Type.Optional(Type.Boolean()),
})
export type LoadEvent = Static<typeof LoadEvent>

const IsolationMeans = Type.Union([Type.Literal('bwrap'), Type.Literal('none')])

/** A payload that had been accepted, and of which nothing is left. */
export const LostEvent = Type.Object({ key: Key, message: Told })
export type LostEvent = Static<typeof LostEvent>

export const SnapshotEvent = Type.Object({
  protocol: Type.Integer(),
  instance: Type.String({ minLength: 1, maxLength: 256 }),
  load: LoadEvent,
  /** By what it isolates scripts; an earlier client does not say. */
  isolation: Type.Optional(IsolationMeans),
  payloads: Type.Array(PayloadEvent),
  /** Why payloads that are not there any more were lost, as far as the client remembers. */
  lost: Type.Optional(Type.Array(LostEvent)),
})
export type SnapshotEvent = Omit<Static<typeof SnapshotEvent>, 'payloads'> & {
  payloads: PayloadEvent[]
}

/** The events of `GET /events`, by their names there; a reader ignores those it does not know. */
export const clientEvents = {
  snapshot: SnapshotEvent,
  payload: PayloadEvent,
  lost: LostEvent,
  load: LoadEvent,
} satisfies Record<string, TSchema>

export type ClientEvent =
  | { readonly name: 'snapshot'; readonly data: SnapshotEvent }
  | { readonly name: 'payload'; readonly data: PayloadEvent }
  | { readonly name: 'lost'; readonly data: LostEvent }
  | { readonly name: 'load'; readonly data: LoadEvent }

/** Between two `load` events at most; a reader may give up after a few of these. */
export const heartbeatMs = 2_000

const Times = {
  createdAt: Type.String({ format: 'date-time' }),
  changedAt: Type.String({ format: 'date-time' }),
  finalAt: Type.Union([Type.String({ format: 'date-time' }), Type.Null()]),
}
const MaybeTime = Type.Union([Type.String({ format: 'date-time' }), Type.Null()])

export const JobDetails = Type.Object(
  {
    id: Type.Integer(),
    user: Type.String(),
    service: Type.String(),
    status: oneOf(jobStatuses),
    message: Type.String(),
    maxAttempts: Type.Integer({ description: 'So many runs may fail, as the upload asked for.' }),
    failedAttempts: Type.Integer({ description: 'Attempts in which run.sh failed.' }),
    lostAttempts: Type.Integer({
      description: 'Attempts that clients had taken and lost; they are counted apart.',
    }),
    maxRuntimeSeconds: Type.Union([Type.Number(), Type.Null()], {
      description: 'As the upload asked for; null: it did not. Its service may allow less.',
    }),
    limits: limitsOf(Type.Integer()),
    ...Times,
    terminateRequestedAt: MaybeTime,
    result: Type.Union([ResultInfo, Type.Null()]),
    attempts: Type.Array(
      Type.Object({
        number: Type.Integer(),
        client: Type.String(),
        payload: Type.Union([Type.Integer(), Type.Null()]),
        claimedAt: Type.String({ format: 'date-time' }),
        submittedAt: MaybeTime,
        startedAt: MaybeTime,
        endedAt: MaybeTime,
        outcome: Type.Union([Type.String(), Type.Null()]),
      }),
    ),
    history: Type.Array(
      Type.Object({
        at: Type.String({ format: 'date-time' }),
        from: Type.Union([oneOf(jobStatuses), Type.Null()]),
        to: oneOf(jobStatuses),
        attempt: Type.Integer(),
        client: Type.Union([Type.String(), Type.Null()]),
        reason: Type.String(),
      }),
    ),
  },
  { $id: 'JobDetails', description: 'All that is known of a job.' },
)
export type JobDetails = Static<typeof JobDetails>

/** A client as the server sees it. */
const ClientSight = Type.Object({
  url: Type.String(),
  reachable: Type.Boolean(),
  trouble: Type.Union([Type.String(), Type.Null()], {
    description: 'Why it is not reachable; null while it is, or was not tried yet.',
  }),
  older: Type.Union([Type.Boolean(), Type.Null()], {
    description: 'It is of version 2.2.3, and is polled; null before it was reached.',
  }),
  draining: Type.Boolean({ description: 'It takes no more jobs.' }),
  lowSpace: Type.Boolean({ description: 'Its disk has too little left, so it takes no jobs.' }),
  noSandbox: Type.Boolean({
    description: 'Its scripts are to be isolated and cannot be, so it takes no jobs.',
  }),
  isolation: Type.Union([IsolationMeans, Type.Null()], {
    description:
      'By what it isolates scripts; null before it was reached, or where it does not say.',
  }),
  load: Type.Union([Type.Number(), Type.Null()]),
  slots: Type.Union([Type.Integer(), Type.Null()]),
  active: Type.Integer(),
})

export const ServerHealth = Type.Object(
  {
    status: Type.Enum(['ok', 'unavailable']),
    database: Type.Enum(['ok', 'unavailable']),
    lowSpace: Type.Boolean({ description: 'A disk has too little left: no uploads are taken.' }),
    services: Type.Array(
      Type.Object({
        name: Type.String(),
        configured: Type.Boolean({ description: 'false: its jobs wait until it is again.' }),
        queued: Type.Integer(),
        active: Type.Integer(),
        oldestQueuedSeconds: Type.Union([Type.Number(), Type.Null()]),
        clients: Type.Array(ClientSight),
      }),
    ),
    unconfiguredClients: Type.Array(ClientSight, {
      description: 'Clients that are not configured any more, and have jobs still.',
    }),
  },
  { $id: 'ServerHealth' },
)
export type ServerHealth = Static<typeof ServerHealth>

/** What a client has still to do before it can be stopped. */
const left = {
  draining: Type.Boolean({ description: 'It takes no new payloads.' }),
  active: Type.Integer({ description: 'Payloads that have not ended, or are being received.' }),
  unfetched: Type.Integer({ description: 'Results that their servers have not fetched.' }),
  kept: Type.Integer({
    description: 'Results for servers that never say that they have them (2.2.3).',
  }),
}

export const DrainReply = Type.Object(
  {
    ...left,
    drained: Type.Boolean({ description: 'Nothing is left to run or to be fetched: stop it.' }),
  },
  { $id: 'Drain' },
)
export type DrainReply = Static<typeof DrainReply>

export const ClientHealth = Type.Object(
  {
    status: Type.Enum(['ok', 'unavailable']),
    database: Type.Enum(['ok', 'unavailable']),
    instance: Type.String(),
    load: Type.Number(),
    slots: Type.Union([Type.Integer(), Type.Null()]),
    lowSpace: Type.Boolean({ description: 'Its disk has too little left: it takes no payloads.' }),
    isolation: Type.Object(
      {
        by: Type.Enum(['bwrap', 'none']),
        network: Type.Array(Type.String(), {
          description: 'Services whose scripts may use the network; "*": all.',
        }),
        user: Type.String({
          description:
            'As whom scripts run: "the client\'s", "one per payload", or whom RUN_AS names.',
        }),
        trouble: Type.Union([Type.String(), Type.Null()], {
          description:
            'Why there is no isolation where there is to be; with "bwrap" no payloads are taken meanwhile.',
        }),
      },
      { description: 'How scripts are kept apart.' },
    ),
    enforcement: Type.Object(
      {
        memoryBytes: Type.String(),
        cpuTimeMs: Type.String(),
        processes: Type.String(),
        openFiles: Type.String(),
        fileSizeBytes: Type.String(),
        diskBytes: Type.String(),
        outputBytes: Type.String(),
        end: Type.String(),
      } satisfies Record<LimitName | 'end', TSchema>,
      { description: 'By what limits are enforced here, and by what a script is ended wholly.' },
    ),
    ...left,
  },
  { $id: 'ClientHealth' },
)
export type ClientHealth = Static<typeof ClientHealth>
