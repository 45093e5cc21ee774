import type { App } from '../http/app.ts'
import { starting } from './start-error.ts'

/** Requests under way may take so long to finish when the program stops. */
const finishMs = 10_000

/**
 * Listens.
 *
 * @returns the address, with the port that was taken.
 * @throws StartError if it cannot be had.
 */
export function listen(app: App, host: string, port: number): Promise<string> {
  return starting(`cannot listen on ${host}:${port}`, () => app.listen({ host, port }))
}

/** Takes no more requests, and waits for those under way, but not for ever. */
export async function closeApp(app: App): Promise<void> {
  const timer = setTimeout(() => app.server.closeAllConnections(), finishMs)
  try {
    await app.close()
  } finally {
    clearTimeout(timer)
  }
}
