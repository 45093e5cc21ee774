/**
 * The network: a request arrives once or never, maybe long after who made it has given up; its
 * answer comes or not.
 */
import type { Answer, Call, World } from './world.ts'

type Is = Call['is']

export function call({ calls }: World, is: Is, key: string): void {
  calls.push({ is, key, stage: 'sent', answer: null, isOrphan: false })
}

function find({ calls }: World, is: Is, key: string): Call | undefined {
  return calls.find((one) => one.is === is && one.key === key && !one.isOrphan)
}

/** Whether this call is under way, for somebody who waits for it. */
export function isCalled(world: World, is: Is, key: string): boolean {
  return find(world, is, key) !== undefined
}

export function answerOf(world: World, is: Is, key: string): Answer | undefined {
  return find(world, is, key)?.answer ?? undefined
}

/** Takes the answer of a call that has one. */
export function hangUp(world: World, is: Is, key: string): Answer | null {
  const answered = find(world, is, key)
  world.calls = world.calls.filter((one) => one !== answered)
  return answered?.answer ?? null
}

/** What a client answers to whoever waits still. */
export function answer(world: World, is: Is, key: string, said: Answer): void {
  world.calls = world.calls.filter(
    (one) => one.is !== is || one.key !== key || one.stage !== 'at work' || !one.isOrphan,
  )
  for (const one of world.calls) {
    if (one.is !== is || one.key !== key || one.stage !== 'at work') continue
    one.stage = 'answered'
    one.answer = said
  }
}
