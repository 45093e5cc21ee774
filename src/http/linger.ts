/** What becomes of the rest of a request whose answer is known before it has ended. */
import type { IncomingMessage } from 'node:http'

/** A sender that was refused may go on sending for so long, so that it can read why. */
const lingerMs = 5_000

const lingering = new WeakSet<IncomingMessage>()

/** Lets what is left of a body run out, for a while; then the connection is cut. */
export function linger(request: IncomingMessage): void {
  if (request.complete || request.destroyed) return
  request.resume()
  if (lingering.has(request)) return
  lingering.add(request)
  const timer = setTimeout(() => request.destroy(), lingerMs)
  request.once('close', () => clearTimeout(timer))
  request.once('end', () => clearTimeout(timer))
}
