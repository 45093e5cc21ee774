/** The load generator, seen from the bench: a process of its own, which does what it is asked for. */
import { fork } from 'node:child_process'
import type { ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import type { TaskName, Tasks } from './tasks.ts'

export class Load implements AsyncDisposable {
  readonly #child: ChildProcess

  constructor() {
    this.#child = fork(join(import.meta.dirname, 'main.ts'), { stdio: 'inherit' })
  }

  /** @throws what went wrong there. */
  async ask<Name extends TaskName>(
    name: Name,
    ask: Tasks[Name]['ask'],
  ): Promise<Tasks[Name]['answer']> {
    this.#child.send({ name, ask })
    const ended = new AbortController()
    const onExit = () => ended.abort(new Error('the load generator has ended'))
    this.#child.once('exit', onExit)
    try {
      const [message] = (await once(this.#child, 'message', { signal: ended.signal })) as [
        { readonly answer?: Tasks[Name]['answer']; readonly error?: string },
      ]
      if (message.answer === undefined) throw new Error(message.error)
      return message.answer
    } finally {
      this.#child.off('exit', onExit)
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#child.exitCode !== null || this.#child.signalCode !== null) return
    const ended = once(this.#child, 'exit')
    this.#child.disconnect()
    await ended
  }
}
