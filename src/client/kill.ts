/** Ending payloads, and refusing what has not come yet. */
import { crashPoint } from '../crash-points.ts'
import { isFullDatabase } from '../domain/errors.ts'
import { payloadEnded } from '../domain/payload.ts'
import type { Payload } from '../domain/payload.ts'
import { markKilled } from './mark-killed.ts'
import type { ClientRoom } from './room.ts'

/**
 * Ends a payload: one that waits never starts, one that runs has its script ended; both are packed
 * and become `Killed`. One that has ended stays as it is.
 */
export async function kill(room: ClientRoom, payload: Payload, reason: string): Promise<void> {
  const marked = await markKilled(room, payload, reason)
  if (!marked) return
  crashPoint('kill: durable')
  const { id, status } = marked.payload
  if (status === 'Prepared') {
    room.runner.settle(marked.payload, { status: 'Killed', message: reason })
  } else room.runner.kill(id, reason)
  crashPoint('kill: begun')
  // Who asked hears of it, and asks again.
  if (marked.fault !== undefined) throw marked.fault
}

/**
 * Ends what is held under a key, or, if there is nothing, refuses that key for good.
 *
 * @returns whether there is a payload under this key.
 */
export async function killKey(room: ClientRoom, key: string, reason: string): Promise<boolean> {
  const payload = await refuseUnlessHere(room, key)
  if (payload) await kill(room, payload, reason)
  return payload !== undefined
}

/**
 * Ends and removes what is held under a key, and refuses that key for good. When it resolves,
 * nothing runs under it.
 *
 * @returns whether there was a payload under this key.
 */
export async function cancelKey(room: ClientRoom, key: string): Promise<boolean> {
  const payload = await refuseUnlessHere(room, key)
  if (!payload) return false
  room.memory.refuse(key, Date.now())
  crashPoint('cancel: refused')
  if (!payloadEnded(payload.status) && payload.killReason === null) {
    room.store.change(payload.id, payload.status, payload.status, { killReason: 'cancelled' })
  }
  await room.runner.abandon(payload.id, 'cancelled')
  crashPoint('cancel: ended')
  await removePayload(room, payload.id)
  crashPoint('cancel: removed')
  // Who cancelled it knows; a second server on a copy of the database does not.
  const why = 'it was cancelled at its client, by a server of the same identity'
  room.log.info({ payload: payload.id }, `payload ${payload.id}: cancelled by its server, removed`)
  room.events.tellLost(payload, why)
  return true
}

/**
 * Forgets ended payloads: their server has the results.
 *
 * @returns keys of those that have not ended.
 */
export async function forgetKeys(room: ClientRoom, keys: readonly string[]): Promise<string[]> {
  const held = keys.flatMap((key) => {
    const payload = room.store.findByKey(key)
    return payload ? [{ key, payload }] : []
  })
  const ended = held.filter(({ payload }) => payloadEnded(payload.status))
  if (ended.length > 0) {
    crashPoint('forget: asked')
    const ids = ended.map(({ payload }) => payload.id)
    await removeNoting(room, ids, () => {
      const forgotten = ended.map(({ key }) => key)
      room.memory.forget(forgotten, Date.now())
      crashPoint('forget: noted')
    })
    crashPoint('forget: removed')
  }
  return held.filter((one) => !ended.includes(one)).map(({ key }) => key)
}

type RemovalContext = Pick<ClientRoom, 'store' | 'smallResults' | 'files' | 'drain' | 'log'>

/**
 * Notes something of the keys of ended payloads, and then removes these. On a full disk their files
 * go first, for they may be what fills it.
 */
export async function removeNoting(
  context: RemovalContext,
  ids: readonly number[],
  note: () => void,
): Promise<void> {
  try {
    note()
  } catch (error) {
    if (!isFullDatabase(error)) throw error
    for (const id of ids) await context.files.remove(id)
    note()
  }
  for (const id of ids) await removePayload(context, id)
}

/** Removes a payload from the table and from the disk. */
async function removePayload(
  { store, smallResults, files, drain, log }: RemovalContext,
  id: number,
): Promise<void> {
  store.remove(id)
  smallResults.drop(id)
  if (!(await files.discard(id))) log.warn({ payload: id }, `payload ${id} cannot be removed`)
  drain.look()
}

/** The payload under a key; without one, the key is refused, also for a submission under way. */
async function refuseUnlessHere(room: ClientRoom, key: string): Promise<Payload | undefined> {
  const { store, memory, receiving } = room
  const payload = store.findByKey(key)
  if (payload) return payload
  memory.refuse(key, Date.now())
  crashPoint('kill: refused')
  const submission = receiving.get(key)
  submission?.abort.abort()
  await submission?.over
  return store.findByKey(key)
}
