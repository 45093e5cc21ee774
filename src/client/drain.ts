/** Draining: no new payloads are taken, what is here is finished, and then it is said once. */
import { Fault } from '../domain/errors.ts'
import type { DrainReply } from '../domain/protocol.ts'
import type { Log } from '../log.ts'
import type { PayloadStore } from '../store/payloads.ts'

/** What a client has still to do before it can be stopped; see `protocol.ts`. */
type Left = Pick<DrainReply, 'active' | 'unfetched' | 'kept'>

/** A submission under way, until it is disposed of. */
export type Submission = Disposable & {
  /** @throws Fault `busy` if it began while the client was draining. */
  readonly refuseIfDraining: () => void
}

/** Whether this client drains. Nobody remembers it: a restart ends it. */
export class Drain {
  readonly #store: PayloadStore
  readonly #log: Log
  readonly #onChange: () => void
  #draining = false
  /** It was said of this drain that nothing is left. */
  #isToldEmpty = false
  /** Submissions under way that are taken. */
  #receiving = 0

  /** @param onChange called at once when draining begins or ends. */
  constructor(store: PayloadStore, log: Log, onChange: () => void) {
    this.#store = store
    this.#log = log
    this.#onChange = onChange
  }

  /** No new payload is taken. */
  get draining(): boolean {
    return this.#draining
  }

  get left(): Left {
    const { unfetched, kept } = this.#store.countEnded()
    return { active: this.#store.count().active + this.#receiving, unfetched, kept }
  }

  get state(): DrainReply {
    const { left } = this
    return { draining: this.#draining, ...left, drained: this.#draining && isEmpty(left) }
  }

  /** Begins draining; changes nothing if it drains already. */
  begin(): void {
    if (this.#draining) return
    this.#draining = true
    this.#isToldEmpty = false
    const { active, unfetched } = this.left
    this.#log.info(
      { active, unfetched },
      `draining: no new payloads; to be finished: ${active}, to be fetched: ${unfetched}`,
    )
    this.#onChange()
    this.look()
  }

  /** Takes payloads again; changes nothing if it does not drain. */
  end(): void {
    if (!this.#draining) return
    this.#draining = false
    this.#log.info('draining has ended: payloads are taken again')
    this.#onChange()
  }

  /** A submission begins. It is finished even if draining begins meanwhile. */
  admit(): Submission {
    const isLate = this.#draining
    if (!isLate) this.#receiving++
    return {
      refuseIfDraining: () => {
        if (isLate) throw new Fault('busy', 'this client drains: it takes no new payloads')
      },
      [Symbol.dispose]: () => {
        if (isLate) return
        this.#receiving--
        this.look()
      },
    }
  }

  /** To be called when a payload has ended or is gone. Says once when nothing is left. */
  look(): void {
    if (!this.#draining || this.#isToldEmpty) return
    const { left } = this
    if (!isEmpty(left)) return
    this.#isToldEmpty = true
    const kept = left.kept === 0 ? '' : ` (results kept for 2.2.3 servers: ${left.kept})`
    this.#log.info({ kept: left.kept }, `drained: nothing is left; it can be stopped${kept}`)
  }
}

/** What is kept for servers that never say that they have it would be waited for in vain. */
function isEmpty({ active, unfetched }: Left): boolean {
  return active === 0 && unfetched === 0
}
