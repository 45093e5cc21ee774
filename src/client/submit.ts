/** Takes a payload from a server. */
import { Compile } from 'typebox/compile'
import { crashPoint } from '../crash-points.ts'
import { Fault } from '../domain/errors.ts'
import { isMarkerName } from '../domain/marker.ts'
import type { Part } from '../domain/part.ts'
import { SubmitOptions, optionsPart } from '../domain/protocol.ts'
import { serverOf } from '../domain/payload.ts'
import type { Payload, PayloadOrigin } from '../domain/payload.ts'
import { limited } from '../files/limited.ts'
import type { Workspace } from '../files/workspace.ts'
import { tellLog } from './changes.ts'
import type { Submission } from './drain.ts'
import type { ClientRoom } from './room.ts'
import { noScript } from './runner.ts'

const optionsCheck = Compile(SubmitOptions)

/**
 * Receives the parts of a submission.
 *
 * Our servers send their options first. A 2.2.3 server sends none: its payload has no key, and is
 * taken also when no slot is free, for to be refused would be final there.
 *
 * @param breakOff makes the parts end, at once: what is refused while it comes is not waited for,
 *   for it may be stuck in the network.
 * @returns the payload; the one we have, if its key has come before.
 * @throws Fault when it cannot be taken; nothing is left of it then.
 */
export async function submit(
  room: ClientRoom,
  parts: AsyncIterable<Part>,
  breakOff: () => unknown,
): Promise<Payload> {
  using places = new DisposableStack()
  places.use(room.uploads.take())
  const submission = places.use(room.drain.admit())
  let opened: Workspace | undefined
  // Not before it is known that it is wanted: a key that is here is answered on a full disk too.
  // What names our instance is lost by a power cut in any case, for its script may have run; it is
  // sent again, from the files of its server, to what is another instance then.
  let isForInstance = false
  const open = () =>
    (opened ??= room.files.receive(
      isForInstance && room.bootId ? 'until power cut' : 'durable',
      room.maxUploadFiles,
    ))
  const { promise: over, resolve: isOver } = Promise.withResolvers<void>()
  const abort = new AbortController()
  abort.signal.addEventListener('abort', breakOff)
  let origin: PayloadOrigin | null = null
  let left = room.maxPayloadBytes
  try {
    for await (const part of parts) {
      abort.signal.throwIfAborted()
      if (part.kind === 'field') {
        if (part.name !== optionsPart) continue
        if (origin) throw new Fault('invalid', `part "${optionsPart}" was sent twice`)
        const { instance, ...options } = readOptions(part.value)
        origin = options
        isForInstance = instance !== undefined
        room.contacts.touch(serverOf(origin.key))
        if (instance !== undefined && instance !== room.instance) throw forAnother()
        const shortage = room.space.look()
        const present = claimKey(room, origin.key, submission, shortage)
        if (present) return present
        room.receiving.set(origin.key, { abort, over })
      } else {
        if (!origin) submission.refuseIfDraining()
        if (!origin) room.space.demand()
        if (!origin) room.sandbox.demand()
        if (!origin && isMarkerName(part.filename)) throw mistaken()
        const content = limited(part.content, left, tooLarge(room), abort.signal)
        await open().add(pathOf(part), content)
        crashPoint('submit: receiving')
        left -= content.sizeBytes
      }
    }
    abort.signal.throwIfAborted()
    if (!origin) submission.refuseIfDraining()
    return await take(room, open(), origin, abort.signal)
  } catch (error) {
    throw abort.signal.aborted ? refusedKey() : error
  } finally {
    if (origin && room.receiving.get(origin.key)?.over === over) room.receiving.delete(origin.key)
    await opened?.discard()
    isOver()
  }
}

/** From here on it is a payload. */
async function take(
  { files, store, memory, runner, bootId, log }: ClientRoom,
  workspace: Workspace,
  origin: PayloadOrigin | null,
  aborted: AbortSignal,
): Promise<Payload> {
  if (origin && !workspace.has('run.sh')) throw new Fault('invalid', noScript)
  const id = memory.nextPayloadId()
  const waits = !origin && !runner.startsAtOnce
  const manifest = { id, origin, receivedAtMs: Date.now(), bootId: waits ? null : bootId }
  await files.publish(workspace, manifest)
  crashPoint('submit: published')
  if (aborted.aborted) {
    await files.remove(id)
    throw refusedKey()
  }
  if (waits) runner.noteBefore(id)
  const payload = store.insert(manifest)
  tellLog(log, payload)
  runner.wake()
  crashPoint('submit: taken')
  return payload
}

function refusedKey(why = 'it was cancelled or forgotten'): Fault {
  return new Fault('gone', `this key is refused: ${why}`)
}

/** Its script may have run, and nothing here remembers it. */
function forAnother(): Fault {
  return new Fault(
    'gone',
    'this was sent to an earlier instance of this client: its data is gone, or its machine was ' +
      'restarted',
  )
}

/** A server that knows keys takes us for a 2.2.3 client, which was here until just now. */
function mistaken(): Fault {
  return new Fault('busy', 'this is no client of version 2.2.3: ask it for /events')
}

function tooLarge({ maxPayloadBytes }: ClientRoom): () => Fault {
  return () =>
    new Fault('too_large', `the files are larger than MAX_UPLOAD_SIZE here (${maxPayloadBytes} B)`)
}

function readOptions(text: string): SubmitOptions {
  let options: unknown
  try {
    options = JSON.parse(text)
  } catch (error) {
    throw new Fault('invalid', `part "${optionsPart}" is not JSON`, { cause: error })
  }
  if (optionsCheck.Check(options)) return options
  const [first] = optionsCheck.Errors(options)
  const where = first?.instancePath ?? ''
  throw new Fault('invalid', `part "${optionsPart}"${where} is wrong: ${first?.message}`)
}

/** The payload that is here under this key already, or the right to receive one. */
function claimKey(
  room: ClientRoom,
  key: string,
  submission: Submission,
  shortage: string | undefined,
): Payload | undefined {
  const payload = room.store.findByKey(key)
  if (payload) return payload
  if (room.memory.isRefused(key)) throw refusedKey(room.events.whyLost(key))
  if (room.receiving.has(key)) {
    throw new Fault('conflict', 'a payload is being received under this key')
  }
  submission.refuseIfDraining()
  if (shortage !== undefined) throw new Fault('no_space', shortage)
  room.sandbox.demand()
  if (!room.runner.hasFreeSlot(room.receiving.size)) throw new Fault('busy', 'no slot is free')
  return undefined
}

/**
 * A server of 2.2.3 sends the path as the part's name and the last segment as its filename; ours
 * sends the path as its filename.
 */
function pathOf({ field, filename }: Part & { kind: 'file' }): string {
  return field.includes('/') && field.endsWith(`/${filename}`) ? field : filename
}
