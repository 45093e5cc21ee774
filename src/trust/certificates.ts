/** The certificates of TLS: read, and looked at before anybody depends on them. */
import { X509Certificate, createPrivateKey } from 'node:crypto'
import { Fault, messageOf } from '../domain/errors.ts'
import { readPrivate, readPublic } from './private-file.ts'

/** `null`: it is not set. */
export type TlsFiles = {
  readonly cert: string | null
  readonly key: string | null
  readonly ca: string | null
}

/** A certificate, with those that lead to its authority, and its key. */
class Identity {
  readonly cert: string
  readonly #key: string

  constructor(cert: string, key: string) {
    this.cert = cert
    this.#key = key
  }

  /** In PEM. Not a property that is shown with the others. */
  get key(): string {
    return this.#key
  }
}

export type Tls = {
  readonly identity: Identity | null
  /** Authorities, in PEM; `null`: those of the system. */
  readonly ca: string | null
  /** A line for each certificate that is too old or too young. */
  readonly warnings: readonly string[]
}

/**
 * Reads what there is.
 *
 * @param faults gets a line for each fault.
 */
export function readTls(files: TlsFiles, faults: string[]): Tls {
  if (files.cert !== null && files.key === null) faults.push('TLS_CERT is set without TLS_KEY')
  if (files.key !== null && files.cert === null) faults.push('TLS_KEY is set without TLS_CERT')
  const look = <T>(name: string, file: string | null, read: (file: string) => T): T | null => {
    try {
      return file === null ? null : read(file)
    } catch (error) {
      faults.push(`${name}: ${messageOf(error)}`)
      return null
    }
  }
  const cert = look('TLS_CERT', files.cert, readCertificates)
  const key = look('TLS_KEY', files.key, (file) => readKey(file, cert?.all[0]))
  const ca = look('TLS_CA', files.ca, readCertificates)
  const warnings = [
    ...(cert?.all.slice(0, 1) ?? []).flatMap((one) => doubts('TLS_CERT', one)),
    ...(ca?.all ?? []).flatMap((one) => doubts('TLS_CA', one)),
  ]
  return {
    identity: cert !== null && key !== null ? new Identity(cert.pem, key) : null,
    ca: ca && ca.pem,
    warnings,
  }
}

/**
 * The same once more.
 *
 * @throws Fault `invalid` with all that is wrong.
 */
export function readTlsAgain(files: TlsFiles): Tls {
  const faults: string[] = []
  const tls = readTls(files, faults)
  if (faults.length > 0) throw new Fault('invalid', faults.join('; '))
  return tls
}

type Certificates = { readonly pem: string; readonly all: readonly X509Certificate[] }

function readCertificates(file: string): Certificates {
  const pem = readPublic(file)
  const blocks = pem.match(/-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----/g)
  if (!blocks) throw new Fault('invalid', `${file} has no certificate in PEM`)
  try {
    return { pem, all: blocks.map((block) => new X509Certificate(block)) }
  } catch (error) {
    throw new Fault('invalid', `${file} has a certificate that is damaged`, { cause: error })
  }
}

function readKey(file: string, certificate: X509Certificate | undefined): string {
  const pem = readPrivate(file)
  let key
  try {
    key = createPrivateKey(pem)
  } catch (error) {
    const what = 'has no private key in PEM, or one that needs a passphrase'
    throw new Fault('invalid', `${file} ${what}`, { cause: error })
  }
  if (certificate && !certificate.checkPrivateKey(key)) {
    throw new Fault('invalid', `${file} has another key than that of TLS_CERT`)
  }
  return pem
}

function doubts(name: string, { subject, validFromDate, validToDate }: X509Certificate): string[] {
  const whose = `${name}: the certificate of ${subject.replaceAll('\n', ', ')}`
  const now = new Date()
  if (validToDate < now) return [`${whose} has expired: ${validToDate.toISOString()}`]
  if (validFromDate > now) return [`${whose} is not valid before ${validFromDate.toISOString()}`]
  return []
}
