import { once } from 'node:events'
import { createServer } from 'node:net'
import type { AddressInfo, Server } from 'node:net'

/** A server that has a port, so that nobody else can. */
export async function occupiedPort(): Promise<AsyncDisposable & { readonly port: number }> {
  const server = await listen(0)
  return {
    port: (server.address() as AddressInfo).port,
    [Symbol.asyncDispose]: () => close(server),
  }
}

/**
 * A port that is free, for a process that has to have the same one again. It is below those that
 * the system gives to whoever asks for any, so nobody takes it meanwhile.
 */
export async function freePort(): Promise<number> {
  for (;;) {
    const port = 15_000 + Math.floor(Math.random() * 15_000)
    const server = await listen(port).catch(() => undefined)
    if (!server) continue
    await close(server)
    return port
  }
}

async function listen(port: number): Promise<Server> {
  const server = createServer()
  server.listen(port, '127.0.0.1')
  await once(server, 'listening')
  return server
}

async function close(server: Server): Promise<void> {
  server.close()
  await once(server, 'close')
}
