/**
 * The storm: a real server, three real clients, applications with jobs of every kind, and processes
 * that are killed and stopped and connections that are cut, held and delivered late, all the time.
 * When it is over and everything is up, the oracle looks at what became of it.
 */
import { join } from 'node:path'
import { Lab } from '../harness/lab.ts'
import { Ledger } from '../harness/ledger.ts'
import { OracleError, checkOracle } from '../harness/oracle.ts'
import type { Findings } from '../harness/oracle.ts'
import { freePort } from '../harness/port.ts'
import { Random } from '../harness/random.ts'
import { doorTo } from '../harness/door.ts'
import { trustIn } from '../harness/trust.ts'
import { apply } from './application.ts'
import type { Work } from './application.ts'
import { Daemon } from './daemon.ts'
import { rage } from './weather.ts'
import type { Weather } from './weather.ts'
import { Way } from './way.ts'

export type Plan = {
  readonly seed: number
  readonly jobs: number
  readonly kills: number
  /** Gets a line now and then. */
  readonly say: (line: string) => void
  /** Whether tokens, a cluster secret and TLS are on. */
  readonly trust?: boolean
  /** ISOLATION of the clients. */
  readonly isolation?: string
  /** What is on the disk stays when something was wrong. */
  readonly keep?: boolean
}

export type Figures = Weather & {
  readonly jobs: number
  readonly attempts: number
  /** Attempts whose clients were lost. */
  readonly moved: number
  readonly starts: number
  readonly seconds: number
}

const clients = ['one', 'two', 'three'] as const
const users = ['ada', 'bob', 'cyd', 'dan', 'eve', 'fay']
/** The server has one of these at each of its starts: jobs move in some of its lives, and in others not. */
const lostAfter = ['1s', '3s', '1h']
const sayEveryMs = 10_000

/** @throws Error with all that is wrong, and what is known of those jobs. */
export async function storm(plan: Plan): Promise<Figures> {
  const startedAt = performance.now()
  const lab = await Lab.create()
  let isWrong = true
  try {
    const figures = await runIn(lab, plan)
    isWrong = false
    return { ...figures, seconds: Math.round((performance.now() - startedAt) / 1000) }
  } finally {
    if (isWrong && plan.keep === true) plan.say(`kept: ${lab.directory}`)
    else await lab[Symbol.asyncDispose]()
  }
}

async function runIn(lab: Lab, plan: Plan): Promise<Omit<Figures, 'seconds'>> {
  const { seed, jobs, kills, say } = plan
  await using made = new AsyncDisposableStack()
  const ledger = made.use(new Ledger(join(lab.directory, 'ledger'), plan.isolation))
  await ledger.create()
  const ports = await Promise.all(['server', ...clients].map(() => freePort()))
  const ways: Way[] = []
  for (const port of ports) ways.push(made.use(await Way.to(port)))
  const random = new Random(seed)
  const trust = plan.trust ? await trustIn(lab, dbPathIn(lab)) : undefined
  const addresses = ways.map(({ port }) => `http${trust ? 's' : ''}://127.0.0.1:${port}`)
  const env = { ...trust?.env, ...ledger.clientEnv }
  const daemons = makeDaemons(lab, { ports, clients: addresses.slice(1), env }, random)
  await Promise.all(daemons.map((daemon) => daemon.start()))

  const api = trust?.door(addresses[0] ?? '') ?? doorTo(addresses[0] ?? '')
  const work: Work = { api, ledger, sent: [], jobs, ended: 0 }
  const timer = setInterval(() => say(`${work.ended} of ${jobs} jobs have ended`), sayEveryMs)
  let isOver = false
  const applications = Promise.all(
    users.map((user, index) => apply(work, user, new Random(seed * 1_000 + index))),
  ).finally(() => (isOver = true))
  const progress = () => work.ended / jobs
  try {
    const sky = { daemons, ways, kills, progress }
    const [weather] = await Promise.all([rage(sky, random, () => isOver), applications])
    say(`the storm is over: ${JSON.stringify(weather)}`)
    const directories = {
      server: { dataPath: join(lab.directory, 'server'), dbPath: dbPathIn(lab) },
      clients: clients.map((name) => join(lab.directory, name)),
    }
    const { sent } = work
    const findings = await checkOracle({ api, sent, ledger, directories })
    return { ...weather, ...count(findings) }
  } catch (error) {
    throw error instanceof OracleError
      ? new Error(explain(error, daemons), { cause: error })
      : error
  } finally {
    clearInterval(timer)
  }
}

const dbPathIn = (lab: Lab) => join(lab.directory, 'db.sqlite')

type SetUp = {
  /** The server's, then the clients'. */
  readonly ports: readonly number[]
  /** Their addresses, with a way before each. */
  readonly clients: readonly string[]
  /** Of all of them. */
  readonly env: Readonly<Record<string, string>>
}

function makeDaemons(lab: Lab, { ports, clients: urls, env }: SetUp, random: Random): Daemon[] {
  const at = (index: number) => ['--port', String(ports[index]), '--kill-grace', '1s']
  const server = new Daemon(lab, 'server', () => {
    const data = ['--data-path', join(lab.directory, 'server')]
    const database = ['--db-path', dbPathIn(lab), '--max-attempts', '1000']
    const lost = ['--client-lost-after', random.oneOf(lostAfter)]
    return {
      args: ['server', ...at(0), ...data, ...database, ...lost],
      env: {
        ...env,
        SERVICE_EXAMPLE_UPLOAD_URL: urls.map((address) => `${address}/submit`).join(','),
        SERVICE_EXAMPLE_MAX_RUNS: '16',
        SERVICE_EXAMPLE_RUNS_PER_USER: '4',
      },
    }
  })
  const others = clients.map((name, index) => {
    const data = ['--data-path', join(lab.directory, name), '--slots', '6']
    return new Daemon(lab, name, () => ({ args: ['client', ...at(index + 1), ...data], env }))
  })
  return [server, ...others]
}

function count({ jobs, entries }: Findings) {
  const attempts = jobs.flatMap((job) => job.attempts)
  const moved = attempts.filter(({ outcome }) => outcome?.startsWith('its client was silent'))
  return {
    jobs: jobs.length,
    attempts: attempts.length,
    moved: moved.length,
    starts: entries.filter(({ what }) => what === 'start').length,
  }
}

/** All that is known of some of the jobs with which something is wrong. */
function explain(
  { message, violations, findings }: OracleError,
  daemons: readonly Daemon[],
): string {
  const wrong = new Set(violations.map(({ job }) => job).filter((job) => job !== undefined))
  const stories = [...wrong].slice(0, 3).map((id) => {
    const job = findings.jobs.find((one) => one.id === id)
    const told = findings.entries.filter((entry) => entry.job === id)
    const logs = daemons.map((daemon) => {
      const lines = daemon.linesAbout(id).map((line) => JSON.stringify(line))
      return [`--- ${daemon.name}`, ...lines].join('\n')
    })
    return [`=== job ${id}`, JSON.stringify(job, null, 1), JSON.stringify(told), ...logs].join('\n')
  })
  const unforeseen = daemons.flatMap(({ name, unforeseen: lines }) =>
    lines.map((line) => `${name}: ${line}`),
  )
  return [message, ...stories, '=== errors', ...unforeseen.slice(-20)].join('\n')
}
