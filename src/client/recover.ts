/**
 * Makes the table of payloads anew from their directories, at the start. Scripts went on while no
 * daemon was there: those that still run are taken back, and those that ended are packed.
 */
import type { Manifest } from '../files/payload-files.ts'
import type { ClientRoom } from './room.ts'

/** To be called once, before anybody can ask. */
export async function recover(room: ClientRoom): Promise<void> {
  const { files, store, log } = room
  const stuck = await files.removeLeftovers()
  if (stuck.length > 0) log.warn({ stuck }, `${stuck.length} old directories cannot be removed`)
  for (const id of await files.ids()) {
    const manifest = await files.manifest(id)
    if (manifest && !isRefused(room, manifest)) await recoverOne(room, manifest)
    else await discard(room, id, manifest)
  }
  const { active, running } = store.count()
  if (active > 0) log.info({ active, running }, `took back ${active} payloads, ${running} running`)
}

function isRefused({ memory }: ClientRoom, { origin }: Manifest): boolean {
  return origin !== null && memory.isRefused(origin.key)
}

/** What lacks its manifest is no payload; what was cancelled is ended and goes. */
async function discard(
  { store, files, runner, executor, log }: ClientRoom,
  id: number,
  manifest: Manifest | undefined,
): Promise<void> {
  if (manifest && !(await files.outcome(id))) {
    const payload = store.insert(manifest)
    const execution = await executor.adopt(runner.taskOf(payload))
    execution?.kill('cancelled')
    await execution?.ended
    store.remove(id)
  }
  if (!(await files.remove(id))) log.warn({ id }, `directory ${id} cannot be removed`)
}

async function recoverOne(room: ClientRoom, manifest: Manifest): Promise<void> {
  const { files, store, runner, executor } = room
  const { id } = manifest
  const payload = store.insert(manifest)
  const outcome = await files.outcome(id)
  if (outcome) {
    const { status, ...rest } = outcome
    store.change(id, 'Prepared', 'Running', {})
    store.change(id, 'Running', status, rest)
    return
  }
  const killReason = await files.killReason(id)
  const marked =
    killReason === undefined ? payload : store.change(id, 'Prepared', 'Prepared', { killReason })
  const execution = await executor.adopt(runner.taskOf(payload))
  if (execution) {
    const startedAtMs = (await files.startedAtMs(id)) ?? Date.now()
    const running = store.change(id, 'Prepared', 'Running', { startedAtMs })
    if (running) runner.resume(running, execution)
  } else if (killReason !== undefined && marked) {
    runner.settle(marked, { status: 'Killed', message: killReason })
  }
}
