/** How an application comes in: where, with which token, believing whose certificates. */
import { Agent } from 'undici'

export type Door = { readonly fetch: (path: string, init?: RequestInit) => Promise<Response> }

/** A token, and an authority that has signed the server's certificate, in PEM. */
export type Credentials = { readonly token?: string | undefined; readonly ca?: string | undefined }

/** @param address of a server. */
export function doorTo(address: string, { token, ca }: Credentials = {}): Door {
  const own = token === undefined ? {} : { authorization: `Bearer ${token}` }
  // Node.js has types of its own for what is the same.
  const dispatched: RequestInit =
    ca === undefined ? {} : ({ dispatcher: new Agent({ connect: { ca } }) } as object)
  return {
    fetch: (path, init = {}) => {
      const headers = { ...own, ...(init.headers as Record<string, string> | undefined) }
      return fetch(address + path, { ...init, ...dispatched, headers })
    },
  }
}
