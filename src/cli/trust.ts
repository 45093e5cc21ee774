/** Whom to believe, as the files say now. */
import type { TrustConfig } from '../config/trust.ts'
import type { Log } from '../log.ts'
import { readTlsAgain } from '../trust/certificates.ts'
import type { Tls } from '../trust/certificates.ts'
import { FromFiles, constant } from '../trust/from-files.ts'
import type { Current } from '../trust/from-files.ts'
import { readSecretFile } from '../trust/secrets.ts'
import type { Secrets } from '../trust/secrets.ts'

export type Trust = {
  readonly tls: Current<Tls>
  readonly secrets: Current<Secrets> | undefined
}

/** @param starts what follows the files is disposed of with it. */
export function followTrust(
  { clusterSecret, tls, tlsFiles }: TrustConfig,
  log: Log,
  starts: AsyncDisposableStack,
): Trust {
  return {
    tls: followTls(tls, tlsFiles, log, starts),
    secrets: clusterSecret ? followSecrets(clusterSecret, log, starts) : undefined,
  }
}

function followTls(
  tls: Tls,
  names: TrustConfig['tlsFiles'],
  log: Log,
  starts: AsyncDisposableStack,
): Current<Tls> {
  const files = Object.values(names).filter((file) => file !== null)
  if (files.length === 0) return constant(tls)
  const current = starts.use(new FromFiles(files, tls, () => readTlsAgain(names), log))
  current.onChange(({ warnings }) => {
    for (const warning of warnings) log.warn(warning)
  })
  return current
}

function followSecrets(
  { secrets, file }: NonNullable<TrustConfig['clusterSecret']>,
  log: Log,
  starts: AsyncDisposableStack,
): Current<Secrets> {
  if (file === null) return constant(secrets)
  return starts.use(new FromFiles([file], secrets, () => readSecretFile(file), log))
}
