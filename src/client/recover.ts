/**
 * Makes the table of payloads anew from their directories, at the start. Scripts went on while no
 * daemon was there: those that still run are taken back, and those that ended are packed.
 */
import { crashPoint } from '../crash-points.ts'
import { payloadEnded } from '../domain/payload.ts'
import type { Manifest } from '../files/payload-files.ts'
import type { ClientRoom } from './room.ts'

/** To be called once, before anybody can ask. */
export async function recover(room: ClientRoom): Promise<void> {
  const { files, store, log } = room
  const stuck = await files.removeLeftovers()
  crashPoint('recover: leftovers removed')
  if (stuck.length > 0) log.warn({ stuck }, `${stuck.length} old directories cannot be removed`)
  for (const id of await files.ids()) {
    const manifest = files.manifest(id)
    if (!manifest || isRefused(room, manifest)) await discard(room, id, manifest)
    else await recoverOne(room, manifest)
  }
  // A shell that an earlier process of ours has begun may come yet.
  const isWanted = (id: number) => !payloadEnded(store.find(id)?.status ?? 'Failed')
  const left = await room.bounds.removeLeft(isWanted)
  if (left > 0) log.warn(`${left} cgroups of earlier scripts cannot be removed`)
  const { active, running } = store.count()
  if (active > 0) log.info({ active, running }, `took back ${active} payloads, ${running} running`)
}

function isRefused({ memory }: ClientRoom, { origin }: Manifest): boolean {
  return origin !== null && memory.isRefused(origin.key)
}

/**
 * Its machine has gone down since its script may have been started. Neither the start record nor the
 * exit record proves anything: what the one says may not have been flushed, and what the script
 * wrote before the other may not have been either.
 */
async function lose(room: ClientRoom, manifest: Manifest): Promise<void> {
  const { memory, events, log } = room
  const { id, origin } = manifest
  const message = "its client's machine was restarted"
  log.error({ payload: id, job: origin?.jobId }, `payload ${id} is lost: ${message}`)
  if (origin) {
    // Before it goes: what comes under this key again must not start its script once more.
    memory.refuse(origin.key, Date.now())
    crashPoint('recover: loss refused')
    events.noteLost(origin.key, message)
  }
  await discard(room, id, manifest)
}

/** What lacks its manifest is no payload; what was cancelled is ended and goes. */
async function discard(
  { store, files, runner, executor, log }: ClientRoom,
  id: number,
  manifest: Manifest | undefined,
): Promise<void> {
  if (manifest && !files.outcome(id)) {
    const payload = store.insert(manifest)
    const execution = await executor.adopt(runner.taskOf(payload))
    execution?.kill('cancelled')
    await execution?.ended
    store.remove(id)
  }
  crashPoint('recover: unneeded found')
  if (!(await files.remove(id))) log.warn({ id }, `directory ${id} cannot be removed`)
}

async function recoverOne(room: ClientRoom, manifest: Manifest): Promise<void> {
  const { files, store, runner, executor } = room
  const { id } = manifest
  const outcome = files.outcome(id)
  if (!outcome && typeof manifest.bootId === 'string' && manifest.bootId !== room.bootId) {
    return lose(room, manifest)
  }
  const payload = store.insert(manifest)
  if (typeof manifest.bootId !== 'string') runner.noteBefore(id)
  if (outcome) {
    const { status, ...rest } = outcome
    store.change(id, 'Prepared', 'Running', {})
    store.change(id, 'Running', status, rest)
    crashPoint('recover: ended taken back')
    return
  }
  const killReason = files.killReason(id)
  const marked =
    killReason === undefined ? payload : store.change(id, 'Prepared', 'Prepared', { killReason })
  const execution = await executor.adopt(runner.taskOf(payload))
  if (execution) {
    const startedAtMs = files.startedAtMs(id) ?? Date.now()
    const running = store.change(id, 'Prepared', 'Running', { startedAtMs })
    if (running) runner.resume(running, execution)
    crashPoint('recover: running taken back')
  } else if (killReason !== undefined && marked) {
    runner.settle(marked, { status: 'Killed', message: killReason })
  }
}
