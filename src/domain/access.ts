/** What who asks may do, and to which jobs. */
import { Wrong } from './units.ts'

/** `submit`: uploads; `read`: what there is of a job; `terminate`: ending it. */
export const scopes = ['submit', 'read', 'terminate'] as const
export type Scope = (typeof scopes)[number]

/** `null` for a user or a service: any. */
export type Access = {
  readonly scopes: readonly Scope[]
  readonly userId: string | null
  readonly service: string | null
}

type Owned = { readonly userId: string; readonly service: string }

/** Of who needs no credentials. */
export const fullAccess: Access = { scopes, userId: null, service: null }

/** Whether a job is within reach: any other one is as good as not there. */
export function reaches({ userId, service }: Access, job: Owned): boolean {
  return (userId ?? job.userId) === job.userId && (service ?? job.service) === job.service
}

/** Why an upload with this field is refused; `undefined` if it is not. */
export function whyOutOfReach(access: Access, field: string, value: string): string | undefined {
  if (field === 'user_id' && access.userId !== null && value !== access.userId) {
    return `this token is of user "${access.userId}": field "user_id" must be just that`
  }
  if (field === 'service' && access.service !== null && value.toLowerCase() !== access.service) {
    return `this token is for service "${access.service}": field "service" must be just that`
  }
  return undefined
}

/** `submit,read`: each once, in whatever order. */
export function parseScopes(text: string): readonly Scope[] | Wrong {
  const names = text.split(',').map((name) => name.trim())
  const isRight = names.every((name) => scopes.some((scope) => scope === name))
  return isRight && new Set(names).size === names.length
    ? scopes.filter((scope) => names.includes(scope))
    : new Wrong(`some of ${scopes.join(', ')}, separated by commas`)
}
