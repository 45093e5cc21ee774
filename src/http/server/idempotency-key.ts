import type { IncomingMessage } from 'node:http'
import { Fault } from '../../domain/errors.ts'
import { isIdempotencyKey } from '../../domain/idempotency.ts'
import { linger } from '../linger.ts'

/**
 * The Idempotency-Key of a request whose body is still to be read; `undefined` if it has none.
 *
 * @throws Fault `invalid`
 */
export function readIdempotencyKey(request: IncomingMessage): string | undefined {
  const key = request.headers['idempotency-key']
  if (key === undefined || (typeof key === 'string' && isIdempotencyKey(key))) return key
  linger(request)
  throw new Fault(
    'invalid',
    'the header Idempotency-Key must be 1 to 255 visible ASCII characters, without spaces, ' +
      'no API token, and be there once',
  )
}
