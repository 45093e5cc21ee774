import type { FaultCode } from '../domain/errors.ts'

/** The one table of error and HTTP status; the compiler asks for every code. */
export const statusOf: Readonly<Record<FaultCode, number>> = {
  invalid: 400,
  unauthenticated: 401,
  forbidden: 403,
  not_found: 404,
  timed_out: 408,
  conflict: 409,
  under_way: 409,
  gone: 410,
  too_large: 413,
  long_url: 414,
  unsupported: 415,
  mismatch: 422,
  too_many: 429,
  large_head: 431,
  broken_disk: 500,
  busy: 503,
  unreachable: 503,
  no_space: 507,
}

/** Refusals that may be otherwise later: after so many seconds, `Retry-After` says. */
export const retryAfterSeconds: Readonly<Partial<Record<FaultCode, number>>> = {
  under_way: 1,
  busy: 1,
  unreachable: 1,
  // Till some of a user's jobs have begun takes longer than till a moment is over.
  too_many: 5,
}
