/** What happens to the processes and to the ways between them; all of it follows from the seed. */
import { setTimeout as delay } from 'node:timers/promises'
import type { Random } from '../harness/random.ts'
import type { Daemon } from './daemon.ts'
import type { Way } from './way.ts'

export type Sky = {
  readonly daemons: readonly Daemon[]
  readonly ways: readonly Way[]
  readonly kills: number
  /** How much of the work is done, from 0 to 1. */
  readonly progress: () => number
}

export type Weather = {
  kills: number
  stops: number
  cuts: number
  holds: number
  closings: number
}

/** Within so many milliseconds of trouble; now and then it takes longer than a client is waited for. */
const short = [50, 1_500] as const
const long = [3_000, 9_000] as const

/** Makes trouble until the work is done and all kills are made; heals everything then. */
export async function rage(sky: Sky, random: Random, isOver: () => boolean): Promise<Weather> {
  const { daemons, ways } = sky
  const weather: Weather = { kills: 0, stops: 0, cuts: 0, holds: 0, closings: 0 }
  const under = new Set<Promise<void>>()
  const pause = () => {
    const [least, most] = random.next() < 0.12 ? long : short
    return delay(random.between(least, most))
  }
  const begin = (trouble: Promise<void>) => {
    const task = trouble.finally(() => under.delete(task))
    under.add(task)
  }
  while (!isOver() || weather.kills < sky.kills) {
    const isDue =
      weather.kills < sky.kills && (isOver() || weather.kills / sky.kills <= sky.progress())
    const dice = random.next()
    if (isDue && random.next() < 0.6) {
      weather.kills++
      begin(random.oneOf(daemons).killAndRestart(pause))
    } else if (dice < 0.3) {
      weather.stops++
      begin(stopAndGoOn(random.oneOf(daemons), pause))
    } else if (dice < 0.65) {
      weather.cuts++
      random.oneOf(ways).cut()
    } else {
      const way = random.oneOf(ways)
      const isHeld = random.next() < 0.6
      weather[isHeld ? 'holds' : 'closings']++
      if (isHeld) way.hold()
      else way.close()
      begin(pause().then(() => way.heal()))
    }
    await delay(random.between(20, isDue ? 250 : 500))
  }
  await Promise.all(under)
  for (const way of ways) way.heal()
  await Promise.all(daemons.map((daemon) => daemon.settled()))
  return weather
}

async function stopAndGoOn(daemon: Daemon, pause: () => Promise<void>): Promise<void> {
  daemon.signal('SIGSTOP')
  await pause()
  daemon.signal('SIGCONT')
}
