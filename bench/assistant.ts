/** A process of a bench's own, which does what it is asked for, one thing after the other. */
import { fork } from 'node:child_process'
import type { ChildProcess } from 'node:child_process'
import { once } from 'node:events'

/** What it can be asked for, and what it answers. */
export type Duties = {
  readonly [name: string]: { readonly ask: unknown; readonly answer: object }
}

type Report<Answer> = { readonly answer?: Answer; readonly error?: string }

/** The process, seen from the bench. */
export class Assistant<Has extends Duties> implements AsyncDisposable {
  readonly #child: ChildProcess

  /** @param file of its program, which calls `assist`. */
  constructor(file: string) {
    this.#child = fork(file, { stdio: 'inherit' })
  }

  /** @throws what went wrong there. */
  async ask<Name extends keyof Has>(
    name: Name,
    ask: Has[Name]['ask'],
  ): Promise<Has[Name]['answer']> {
    this.#child.send({ name, ask })
    const ended = new AbortController()
    const onExit = () => ended.abort(new Error('an assistant of the bench has ended'))
    this.#child.once('exit', onExit)
    try {
      const [message] = (await once(this.#child, 'message', { signal: ended.signal })) as [
        Report<Has[Name]['answer']>,
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

/** The same from within: does what the bench asks for, until that goes. */
export function assist<Has extends Duties>(duties: {
  readonly [Name in keyof Has]: (ask: Has[Name]['ask']) => Promise<Has[Name]['answer']>
}): void {
  process.on('message', ({ name, ask }: { readonly name: keyof Has; readonly ask: never }) => {
    duties[name](ask).then(
      (answer) => process.send?.({ answer }),
      (error: unknown) => process.send?.({ error: String(error) }),
    )
  })
  // Whatever it has open, nobody is there for it then.
  process.once('disconnect', () => process.exit())
}
