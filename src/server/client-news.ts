/** What a client says of itself that keeps jobs away from it. */
import type { LoadEvent } from '../domain/protocol.ts'
import type { Log } from '../log.ts'

type Hindrance = {
  readonly begins: string
  readonly ends: string
  readonly level: 'info' | 'warn'
  /** Of several clients. */
  readonly ofAll: string
}

const hindrances = {
  draining: {
    begins: 'is draining',
    ends: 'takes jobs again',
    level: 'info',
    ofAll: 'are draining',
  },
  lowSpace: {
    begins: 'has too little disk space left',
    ends: 'has disk space again',
    level: 'warn',
    ofAll: 'have too little disk space left',
  },
  noSandbox: {
    begins: 'cannot isolate scripts',
    ends: 'can isolate scripts again',
    level: 'warn',
    ofAll: 'cannot isolate scripts',
  },
} as const satisfies { readonly [N in keyof LoadEvent]?: Hindrance }

type Name = keyof typeof hindrances
const names = Object.keys(hindrances) as Name[]

/** A client, as far as it says of itself. */
export type Hindered = { readonly [N in Name]?: boolean | undefined }

/** Whether a client takes jobs, as far as it says. */
export function takesJobs(client: Hindered): boolean {
  return !names.some((name) => client[name])
}

/** What keeps jobs away from all of some clients; `undefined`: one takes jobs. */
export function describeHindrances(clients: readonly Hindered[]): string | undefined {
  if (clients.some(takesJobs)) return undefined
  return names
    .filter((name) => clients.some((client) => client[name]))
    .map((name) => hindrances[name].ofAll)
    .join(' or ')
}

/** Logs what has begun or ended. @returns whether anything has ended. */
export function tellNews(url: string, before: Hindered, now: Hindered, log: Log): boolean {
  const changed = names.filter((name) => (before[name] ?? false) !== (now[name] ?? false))
  for (const name of changed) {
    const { begins, ends, level } = hindrances[name]
    if (now[name]) log[level](`client ${url} ${begins}`)
    else log.info(`client ${url} ${ends}`)
  }
  return changed.some((name) => before[name])
}
