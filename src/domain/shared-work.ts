/**
 * Work that serves all who had asked when it began, such as a flush: who asks while it is under way
 * waits for the next one, which is one for all who ask until it begins.
 *
 * @returns asks for it; settles as the work does that began after the call.
 */
export function sharedWork(work: () => Promise<void>): () => Promise<void> {
  let running: Promise<void> | undefined
  let next: Promise<void> | undefined
  const begin = (): Promise<void> => {
    next = undefined
    running = work().finally(() => (running = undefined))
    return running
  }
  return () => {
    if (!running) return begin()
    return (next ??= running.then(begin, begin))
  }
}
