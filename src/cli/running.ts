/** A mode of the program that is up. */
export type Running = {
  /** Where it listens, such as `http://127.0.0.1:5000`. */
  readonly address: string
  /** No new work, requests finish, everything is closed; scripts go on. */
  readonly stop: () => Promise<void>
  /** Takes no new payloads; a server takes none anyway. */
  readonly drain?: () => void
}
