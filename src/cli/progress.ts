const progressMs = 1000

/** Tells on standard error how far something is: a line a second, on a terminal always the same. */
export class Progress {
  readonly #line: () => string
  readonly #isTerminal = process.stderr.isTTY
  #toldAt = performance.now()
  #hasTold = false

  constructor(line: () => string) {
    this.#line = line
  }

  tell(): void {
    if (performance.now() - this.#toldAt < progressMs) return
    this.#toldAt = performance.now()
    this.#hasTold = true
    process.stderr.write(this.#isTerminal ? `\r${this.#line()}\u001b[K` : `${this.#line()}\n`)
  }

  end(): void {
    if (this.#hasTold && this.#isTerminal) process.stderr.write('\n')
  }
}
