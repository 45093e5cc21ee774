/**
 * What has come of an upload so far. Its files are stored as they come, unless it is known by then
 * that there is a job under its Idempotency-Key: then they are only looked at, so that whoever
 * repeats an upload does not fill the disk.
 */
import { crashPoint } from '../crash-points.ts'
import { whyOutOfReach } from '../domain/access.ts'
import type { Access } from '../domain/access.ts'
import { Fault } from '../domain/errors.ts'
import type { FileDigest } from '../domain/idempotency.ts'
import { isUserId, safePath } from '../domain/names.ts'
import type { Part } from '../domain/part.ts'
import { demandQueueRoom } from '../domain/queue-limit.ts'
import { uploadFieldNames } from '../domain/upload-fields.ts'
import type { UploadSlot } from '../domain/upload-slots.ts'
import type { FreeSpace } from '../files/free-space.ts'
import { hashing, sha256Of } from '../files/hashing.ts'
import type { JobFiles } from '../files/job-files.ts'
import type { Workspace } from '../files/workspace.ts'
import type { JobStore, KeyedJob } from '../store/jobs.ts'
import type { UploadsUnderWay } from './uploads-under-way.ts'

export type ReceptionContext = {
  readonly store: Pick<JobStore, 'findUpload' | 'countQueued'>
  readonly files: Pick<JobFiles, 'receive'>
  readonly space: Pick<FreeSpace, 'demand'>
  readonly underWay: UploadsUnderWay
  readonly maxUploadFiles: number
  /** How many jobs of one user may wait, of services that limit it. */
  readonly mostQueued: ReadonlyMap<string, number>
}

export class Reception implements AsyncDisposable {
  readonly fields = new Map<string, string>()
  /** The files; known only of an upload that has a key. */
  readonly digests: FileDigest[] = []
  readonly #context: ReceptionContext
  readonly #access: Access
  readonly #key: string | undefined
  #workspace: Workspace | undefined
  #earlier: KeyedJob | undefined
  #claim: Disposable | undefined
  readonly #slot: UploadSlot
  #isFirstFile = true

  /**
   * @param slot its place among those that are being received.
   * @param access what who sends it may do.
   * @param key the Idempotency-Key, if it has one.
   */
  constructor(context: ReceptionContext, slot: UploadSlot, access: Access, key?: string) {
    this.#slot = slot
    this.#context = context
    this.#access = access
    this.#key = key
  }

  /** What is stored; `undefined` while no file is. */
  get workspace(): Workspace | undefined {
    return this.#workspace
  }

  /** The job that its user has under its key. */
  get earlier(): KeyedJob | undefined {
    return this.#earlier
  }

  /** @throws Fault when it is refused; `under_way` if another one comes under the same key. */
  async receive(parts: AsyncIterable<Part>): Promise<void> {
    const { userId } = this.#access
    if (userId !== null) this.#slot.assign(userId)
    for await (const part of parts) {
      if (part.kind === 'file') await this.#receiveFile(part.filename, part.content)
      else if (uploadFieldNames.has(part.name)) await this.#receiveField(part.name, part.value)
    }
  }

  async #receiveField(name: string, value: string): Promise<void> {
    if (this.fields.has(name)) throw new Fault('invalid', `field "${name}" was sent twice`)
    // Before anything is looked up for somebody else.
    const refused = whyOutOfReach(this.#access, name, value)
    if (refused !== undefined) throw new Fault('forbidden', refused)
    this.fields.set(name, value)
    if (name === 'user_id' && isUserId(value)) this.#slot.assign(value)
    if (name === 'user_id' && this.#key !== undefined && isUserId(value)) {
      await this.#identify(value, this.#key)
    }
  }

  /** From here on it is known which upload it is. */
  async #identify(userId: string, key: string): Promise<void> {
    const { store, underWay } = this.#context
    this.#earlier = await store.findUpload(userId, key)
    if (this.#earlier) {
      await this.#workspace?.discard()
      this.#workspace = undefined
    } else this.#claim = underWay.claim(userId, key)
  }

  async #receiveFile(name: string, content: AsyncIterable<Uint8Array>): Promise<void> {
    if (this.#earlier) {
      const path = safePath(name)
      this.digests.push({ path, sha256: await sha256Of(content) })
      return
    }
    this.#context.space.demand()
    if (this.#isFirstFile) await this.#demandQueueRoom()
    this.#isFirstFile = false
    this.#workspace ??= this.#context.files.receive(this.#context.maxUploadFiles)
    await this.#workspace.add(name, this.#key === undefined ? content : this.#digest(name, content))
    crashPoint('upload: receiving')
  }

  /** Before anything is stored, if it is known by now. The store looks again when it is the job's turn. */
  async #demandQueueRoom(): Promise<void> {
    const userId = this.fields.get('user_id')
    const service = this.fields.get('service')?.toLowerCase()
    const most = service === undefined ? undefined : this.#context.mostQueued.get(service)
    if (userId === undefined || service === undefined || most === undefined) return
    demandQueueRoom(service, await this.#context.store.countQueued(service, userId), most)
  }

  #digest(name: string, content: AsyncIterable<Uint8Array>): AsyncIterable<Uint8Array> {
    return hashing(content, (sha256) => this.digests.push({ path: safePath(name), sha256 }))
  }

  /** Removes what is stored, unless it was published, and frees the key. */
  async [Symbol.asyncDispose](): Promise<void> {
    try {
      await this.#workspace?.discard()
    } finally {
      this.#claim?.[Symbol.dispose]()
    }
  }
}
