/** Scripts that leave something behind when they end, or do not want to end. */
import { readFile, readdir } from 'node:fs/promises'
import assert from 'node:assert/strict'
import { after, before, suite, test } from 'node:test'
import { AttackScene, sides } from '../harness/attack-scene.ts'
import type { SceneSide } from '../harness/attack-scene.ts'
import { until } from '../harness/lab.ts'
import { isGone } from '../harness/processes.ts'
import { whyNoSandbox } from '../harness/sandbox.ts'

type Survival = {
  readonly name: string
  /** Starts `$0` as `sleep`, which is found by its name, and says `begun` in a file. */
  readonly script: (sleep: string) => string
  /** It has to be terminated, for it does not end. */
  readonly goesOn?: boolean
  /** It lives on where it is not kept apart. */
  readonly outlives?: boolean
  /** Where it is not kept apart it is not tried: it may live on, and nobody could end it. */
  readonly onlyApart?: boolean
}

const begun = 'echo >begun'

const survivals: readonly Survival[] = [
  { name: 'by nohup', script: (sleep) => `nohup ${sleep} >/dev/null 2>&1 & disown; ${begun}` },
  { name: 'in another session', script: (sleep) => `setsid ${sleep} & ${begun}` },
  { name: 'by a double fork', script: (sleep) => `( ( ${sleep} & ) & ); ${begun}` },
  {
    name: 'in another session, without its environment',
    script: (sleep) => `setsid env -i ${sleep} & ${begun}; command sleep 0.3`,
    outlives: true,
  },
  {
    name: 'deaf to SIGTERM',
    script: (sleep) => `trap '' TERM; setsid ${sleep} & ${begun}; while :; do ${sleep}; done`,
    goesOn: true,
  },
  {
    name: 'faster than it can be looked at',
    script: (sleep) =>
      `trap '' TERM; again() { ${sleep} & ( again ) & }; ulimit -u 200
       hop() { setsid bash -c "$(declare -f hop); ${sleep} & command sleep 0.05; hop" & }
       hop; ${begun}; while :; do command sleep 1; done`,
    goesOn: true,
    onlyApart: true,
  },
  {
    name: 'as one that is stopped',
    script: (sleep) => `${sleep} & setsid ${sleep} & kill -STOP $!; ${begun}; kill -STOP $$`,
    goesOn: true,
  },
  {
    name: 'by taking over the first process inside',
    // What it is told to do when its parent dies, it might forget: write to all that it has.
    script: (sleep) =>
      `perl -e 'open(M, "<", "/proc/1/maps"); while (<M>) { next unless /^(\\w+)-(\\w+) rw/;
         open(W, "+<", "/proc/1/mem") or last; sysseek(W, hex($1), 0);
         syswrite(W, "\\0" x 4096) }' ; ${sleep} & ${begun}; while :; do ${sleep}; done`,
    goesOn: true,
    onlyApart: true,
  },
]

void suite('a script that survives', () => {
  let scene: AttackScene | undefined
  let missing: string | undefined
  before(async () => {
    missing = await whyNoSandbox()
    if (missing === undefined) scene = await AttackScene.create()
  })
  after(() => scene?.[Symbol.asyncDispose]())

  for (const survival of survivals) {
    test(survival.name, async (t) => {
      if (!scene) return t.skip(missing)
      for (const side of sides) {
        if (side === 'open' && survival.onlyApart === true) continue
        const left = await leftBy(scene, side, survival)
        const mayOutlive = side === 'open' && survival.outlives === true
        assert.equal(left > 0, mayOutlive, `${left} processes are left (${side})`)
      }
      return undefined
    })
  }
})

/** How many processes of a script are there when its job has ended; none is when this resolves. */
async function leftBy(scene: AttackScene, side: SceneSide, survival: Survival): Promise<number> {
  // A number of seconds that no other sleeps.
  const seconds = `${1_000_000 + Math.floor(Math.random() * 1e9)}`
  const id = await scene.api.upload(survival.script(`sleep ${seconds}`), { service: side })
  if (survival.goesOn === true) {
    const hasBegun = async () => (await scene.api.files(id, 'download_partial')).has('begun')
    await until('the script has begun', () => hasBegun().catch(() => false))
    await scene.api.terminate(id)
  }
  const job = await scene.api.ended(id)
  assert.ok(['Completed', 'Killed'].includes(job.status), `${job.status}: ${job.message}`)
  const left = await sleepers(seconds)
  for (const pid of left) process.kill(pid, 'SIGKILL')
  return left.length
}

async function sleepers(seconds: string): Promise<number[]> {
  const found: number[] = []
  for (const name of await readdir('/proc')) {
    if (!/^\d+$/.test(name)) continue
    const command = await readFile(`/proc/${name}/cmdline`, 'latin1').catch(() => '')
    if (!command.includes(seconds) || (await isGone(Number(name)))) continue
    found.push(Number(name))
  }
  return found
}
