/** Everything that protects servers and clients, at once: tokens, a cluster secret, TLS both ways. */
import { randomBytes } from 'node:crypto'
import { chmod, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { Authority } from './certificates.ts'
import { doorTo } from './door.ts'
import type { Door } from './door.ts'
import type { Lab } from './lab.ts'
import type { TlsOptions } from './raw.ts'
import { SigningServer } from './signed.ts'

export class Trust {
  /** Of a server and of every client: they may share a certificate. */
  readonly env: Readonly<Record<string, string>>
  readonly #secret: string
  readonly #tls: TlsOptions
  readonly #token: string

  private constructor(
    env: Readonly<Record<string, string>>,
    secret: string,
    tls: TlsOptions,
    token: string,
  ) {
    this.env = env
    this.#secret = secret
    this.#tls = tls
    this.#token = token
  }

  /**
   * Makes certificates, a secret, and a token for a server that has not been started yet.
   *
   * @param dbPath the server's database.
   */
  static async create(lab: Lab, dbPath: string, started: Record<string, string> = {}) {
    const authority = await Authority.create(join(lab.directory, 'authority'))
    const { TLS_CERT, TLS_KEY } = await authority.issue('node')
    const secret = randomBytes(32).toString('hex')
    const CLUSTER_SECRET_FILE = join(lab.directory, 'cluster-secret')
    await writeFile(CLUSTER_SECRET_FILE, `${secret}\n`)
    await chmod(CLUSTER_SECRET_FILE, 0o600)
    const token = await makeToken(lab, dbPath, started)
    const tls = {
      ca: await readFile(authority.file, 'utf8'),
      cert: await readFile(TLS_CERT, 'utf8'),
      key: await readFile(TLS_KEY, 'utf8'),
    }
    const env = { CLUSTER_SECRET_FILE, TLS_CERT, TLS_KEY, TLS_CA: authority.file }
    return new Trust(env, secret, tls, token)
  }

  /** As an application comes in. */
  door(address: string): Door {
    return doorTo(address, { token: this.#token, ca: this.#tls.ca })
  }

  /** As a server calls a client. */
  server(client: string): Promise<SigningServer> {
    return new SigningServer(client, this.#secret, this.#tls).meet()
  }
}

async function makeToken(lab: Lab, dbPath: string, env: Record<string, string>): Promise<string> {
  const scope = ['--name', 'test', '--scope', 'submit,read,terminate']
  const program = lab.program(['token', 'create', ...scope, '--db-path', dbPath], env)
  if ((await program.exit()) !== 0) throw new Error(program.said)
  return program.output.trimEnd()
}
