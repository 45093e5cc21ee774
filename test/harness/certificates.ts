/** Certificates for tests, made with openssl: an authority, and what it signs. */
import { execFile } from 'node:child_process'
import { chmod, mkdir, rename, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { ensureCommand } from './debian.ts'

const run = promisify(execFile)

/** Why there can be no certificates here; `false` if there can. */
export const noCertificates: string | false = (await ensureCommand('openssl')) ?? false

/** A certificate with its key, as a program takes them. */
export type CertificateFiles = { readonly TLS_CERT: string; readonly TLS_KEY: string }

const days = (count: number) => {
  const at = new Date(Date.now() + count * 86_400_000).toISOString()
  return `${at.replaceAll(/[-:T]/g, '').slice(0, 14)}Z`
}

export class Authority {
  /** The file of its own certificate: TLS_CA. */
  readonly file: string
  readonly #directory: string

  private constructor(directory: string) {
    this.#directory = directory
    this.file = join(directory, 'ca.pem')
  }

  /** @param directory is made. */
  static async create(directory: string): Promise<Authority> {
    await mkdir(directory)
    const authority = new Authority(directory)
    const key = join(directory, 'ca.key')
    const request = ['req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256']
    const subject = ['-nodes', '-subj', '/CN=test authority', '-days', '2']
    await run('openssl', [...request, ...subject, '-keyout', key, '-out', authority.file])
    await writeFile(join(directory, 'index.txt'), '')
    await writeFile(join(directory, 'ca.cnf'), configuration)
    return authority
  }

  /**
   * Signs a certificate for 127.0.0.1 that is good for a day.
   *
   * @param isExpired it was good for the day before yesterday.
   */
  async issue(name: string, { isExpired = false } = {}): Promise<CertificateFiles> {
    const at = (file: string) => join(this.#directory, file)
    const [TLS_KEY, TLS_CERT] = [at(`${name}.key`), at(`${name}.pem`)]
    await makeRequest(name, at(`${name}.csr`), `${TLS_KEY}.new`)
    const [from, to] = isExpired ? [-3, -2] : [-1, 1]
    const ca = ['ca', '-batch', '-config', 'ca.cnf', '-md', 'sha256', '-notext']
    const dates = ['-startdate', days(from), '-enddate', days(to)]
    const files = ['-in', `${name}.csr`, '-out', `${name}.pem.new`]
    await run('openssl', [...ca, ...dates, ...files], { cwd: this.#directory })
    await rename(`${TLS_KEY}.new`, TLS_KEY)
    await rename(`${TLS_CERT}.new`, TLS_CERT)
    return { TLS_CERT, TLS_KEY }
  }
}

/** A certificate that nobody but itself has signed. */
export async function selfSigned(directory: string, name: string): Promise<CertificateFiles> {
  const [TLS_KEY, TLS_CERT] = [join(directory, `${name}.key`), join(directory, `${name}.pem`)]
  const request = ['req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256']
  const names = ['-nodes', '-subj', `/CN=${name}`, '-addext', 'subjectAltName=IP:127.0.0.1']
  await run('openssl', [...request, ...names, '-days', '1', '-keyout', TLS_KEY, '-out', TLS_CERT])
  await chmod(TLS_KEY, 0o600)
  return { TLS_CERT, TLS_KEY }
}

async function makeRequest(name: string, file: string, key: string): Promise<void> {
  const request = ['req', '-new', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256']
  await run('openssl', [...request, '-nodes', '-subj', `/CN=${name}`, '-keyout', key, '-out', file])
  await chmod(key, 0o600)
}

const configuration = `
[ca]
default_ca = authority
[authority]
database = index.txt
new_certs_dir = .
rand_serial = yes
certificate = ca.pem
private_key = ca.key
policy = any
x509_extensions = names
unique_subject = no
[any]
commonName = supplied
[names]
subjectAltName = IP:127.0.0.1, DNS:localhost
`
