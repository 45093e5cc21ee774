/** The program cannot go on, and has to begin anew; one clear line. */
export class FatalError extends Error {
  override readonly name = 'FatalError'
}

/** Has the program end before anything else happens in it, so that nobody is answered any more. */
export function endProgram(error: Error): void {
  queueMicrotask(() => {
    // Only main.ts exits: it hears of what nobody catches.
    throw new FatalError(`${error.message}: the program ends, to begin anew from the disk`, {
      cause: error,
    })
  })
}
