/** Everything that protects servers and clients, at once: tokens, a cluster secret, TLS both ways. */
import { randomBytes } from 'node:crypto'
import { chmod, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { Authority } from './certificates.ts'
import { doorTo } from './door.ts'
import type { Credentials, Door } from './door.ts'
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
   * Makes certificates and a secret.
   *
   * @param token of the server, with every scope.
   */
  static async create(directory: string, token: string): Promise<Trust> {
    const authority = await Authority.create(join(directory, 'authority'))
    const { TLS_CERT, TLS_KEY } = await authority.issue('node')
    const secret = randomBytes(32).toString('hex')
    const CLUSTER_SECRET_FILE = join(directory, 'cluster-secret')
    await writeFile(CLUSTER_SECRET_FILE, `${secret}\n`)
    await chmod(CLUSTER_SECRET_FILE, 0o600)
    const tls = {
      ca: await readFile(authority.file, 'utf8'),
      cert: await readFile(TLS_CERT, 'utf8'),
      key: await readFile(TLS_KEY, 'utf8'),
    }
    const env = { CLUSTER_SECRET_FILE, TLS_CERT, TLS_KEY, TLS_CA: authority.file }
    return new Trust(env, secret, tls, token)
  }

  /** What an application has to have. */
  get credentials(): Credentials {
    return { token: this.#token, ca: this.#tls.ca }
  }

  /** As an application comes in. */
  door(address: string): Door {
    return doorTo(address, this.credentials)
  }

  /** As a server calls a client. */
  server(client: string): Promise<SigningServer> {
    return new SigningServer(client, this.#secret, this.#tls).meet()
  }
}

/** Arguments that make a token for a server, which need not have been started yet. */
export function tokenArguments(dbPath: string): string[] {
  const scope = ['--name', 'test', '--scope', 'submit,read,terminate']
  return ['token', 'create', ...scope, '--db-path', dbPath]
}

/** A `Trust` of the lab, with a token for a server whose database is `dbPath`. */
export async function trustIn(
  lab: Lab,
  dbPath: string,
  env: Readonly<Record<string, string>> = {},
): Promise<Trust> {
  const program = lab.program(tokenArguments(dbPath), env)
  if ((await program.exit()) !== 0) throw new Error(program.said)
  return Trust.create(lab.directory, program.output.trimEnd())
}
