/**
 * Hosts with addresses of their own: network namespaces, on a bridge that has one too. The
 * machine's own network is not touched.
 */
import { execFile, spawn } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { existsSync } from 'node:fs'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { ensureCommand } from './debian.ts'
import { until } from './lab.ts'
import { Relay } from './relay.ts'

const run = promisify(execFile)

/** Why there can be no namespaces here; `undefined` if there can. */
export async function whyNoNamespaces(): Promise<string | undefined> {
  const missing = await ensureCommand('ip', 'iproute2')
  if (missing !== undefined) return missing
  try {
    const hosts = await Hosts.create([])
    await hosts[Symbol.asyncDispose]()
    return undefined
  } catch (error) {
    return `no network namespaces (root and CAP_NET_ADMIN are needed): ${String(error)}`
  }
}

export class Hosts implements AsyncDisposable {
  readonly #prefix = `jo-${randomBytes(4).toString('hex')}`
  readonly #names: readonly string[]
  readonly #made: string[] = []

  private constructor(names: readonly string[]) {
    this.#names = names
  }

  static async create(names: readonly string[]): Promise<Hosts> {
    const hosts = new Hosts(names)
    try {
      await hosts.#make()
      return hosts
    } catch (error) {
      await hosts[Symbol.asyncDispose]()
      throw error
    }
  }

  address(name: string): string {
    return `10.77.0.${this.#names.indexOf(name) + 1}`
  }

  /** The command that runs another one on a host, and becomes it. */
  on(name: string): string[] {
    return ['ip', 'netns', 'exec', this.#namespace(name)]
  }

  /** Pulls the plug of a host, or puts it in again; nobody is told. */
  async plug(name: string, state: 'up' | 'down'): Promise<void> {
    await this.#ip('-n', this.#namespace('bridge'), 'link', 'set', this.#port(name), state)
  }

  /** A way from here to an address on a host, through a socket in a directory. */
  async wayTo(
    name: string,
    address: string,
    directory: string,
  ): Promise<AsyncDisposable & { readonly address: string }> {
    const { hostname, port } = new URL(address)
    const path = join(directory, 'relay')
    const program = [process.execPath, join(import.meta.dirname, 'relay.ts'), path, hostname, port]
    const [command = '', ...args] = [...this.on(name), ...program]
    const child = spawn(command, args, { stdio: ['ignore', 'ignore', 'inherit'] })
    const ended = once(child, 'close')
    await until('the relay listens', () => existsSync(path))
    const near = await Relay.create({ host: '127.0.0.1', port: 0 }, { path })
    return {
      address: `http://127.0.0.1:${(near.server.address() as AddressInfo).port}`,
      async [Symbol.asyncDispose]() {
        await near[Symbol.asyncDispose]()
        child.kill('SIGKILL')
        await ended
      },
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const namespace of this.#made.toReversed()) await this.#ip('netns', 'del', namespace)
  }

  async #make(): Promise<void> {
    const bridge = await this.#add('bridge')
    await this.#ip('-n', bridge, 'link', 'add', 'bridge', 'type', 'bridge')
    await this.#ip('-n', bridge, 'link', 'set', 'bridge', 'up')
    for (const name of this.#names) {
      const host = await this.#add(name)
      const port = this.#port(name)
      const peer = ['type', 'veth', 'peer', 'name', 'eth0', 'netns', host]
      await this.#ip('-n', bridge, 'link', 'add', port, ...peer)
      await this.#ip('-n', bridge, 'link', 'set', port, 'master', 'bridge', 'up')
      await this.#ip('-n', host, 'addr', 'add', `${this.address(name)}/24`, 'dev', 'eth0')
      await this.#ip('-n', host, 'link', 'set', 'eth0', 'up')
      await this.#ip('-n', host, 'link', 'set', 'lo', 'up')
    }
  }

  async #add(name: string): Promise<string> {
    const namespace = this.#namespace(name)
    await this.#ip('netns', 'add', namespace)
    this.#made.push(namespace)
    return namespace
  }

  #namespace(name: string): string {
    return `${this.#prefix}-${name}`
  }

  /** The host's port of the bridge. */
  #port(name: string): string {
    return `to-${name}`
  }

  async #ip(...args: readonly string[]): Promise<void> {
    await run('ip', args)
  }
}
