/** What says whom to believe: the cluster secret and the certificates, read before all else. */
import { messageOf } from '../domain/errors.ts'
import { readTls } from '../trust/certificates.ts'
import type { Tls, TlsFiles } from '../trust/certificates.ts'
import { parseSecrets, readSecretFile } from '../trust/secrets.ts'
import type { ClusterSecret } from '../trust/secrets.ts'
import type { Mode } from './settings.ts'

export type TrustConfig = {
  /** `null`: everybody is believed. */
  readonly clusterSecret: ClusterSecret | null
  readonly tlsFiles: TlsFiles
  readonly tls: Tls
}

/** Files that were named; a setting that was not given is not there. */
type Named = Partial<Record<'clusterSecretFile' | 'tlsCert' | 'tlsKey' | 'tlsCa', string>>

/**
 * Reads the files, so that what is wrong with them is told with all other faults.
 *
 * CLUSTER_SECRET itself can be said by no flag: command lines are for all to see.
 */
export function readTrust(
  mode: Mode,
  named: Named,
  environment: Readonly<Record<string, string | undefined>>,
  faults: string[],
  warnings: string[],
): TrustConfig {
  const { clusterSecretFile = null, tlsCert = null, tlsKey = null, tlsCa = null } = named
  const tlsFiles = { cert: tlsCert, key: tlsKey, ca: tlsCa }
  if (mode === 'client' && tlsFiles.ca !== null && tlsFiles.cert === null) {
    faults.push('TLS_CA is set without TLS_CERT: a client that listens without TLS sees nobody')
  }
  const tls = readTls(tlsFiles, faults)
  warnings.push(...tls.warnings)
  const secret = readSecret(clusterSecretFile, environment['CLUSTER_SECRET'], faults)
  return { clusterSecret: secret, tlsFiles, tls }
}

function readSecret(
  file: string | null,
  secret: string | undefined,
  faults: string[],
): ClusterSecret | null {
  const isGiven = secret !== undefined && secret !== ''
  if (isGiven && file !== null) {
    faults.push('CLUSTER_SECRET and CLUSTER_SECRET_FILE are both set: which one?')
    return null
  }
  try {
    if (file !== null) return { secrets: readSecretFile(file), file }
    return isGiven ? { secrets: parseSecrets(secret), file } : null
  } catch (error) {
    faults.push(`CLUSTER_SECRET${file === null ? '' : '_FILE'}: ${messageOf(error)}`)
    return null
  }
}
