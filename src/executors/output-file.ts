import { closeSync, openSync } from 'node:fs'

/** Where a script's output goes. Closed here when the script has it. */
export class OutputFile implements Disposable {
  readonly descriptor: number

  private constructor(descriptor: number) {
    this.descriptor = descriptor
  }

  static open(path: string): OutputFile {
    return new OutputFile(openSync(path, 'a'))
  }

  [Symbol.dispose](): void {
    closeSync(this.descriptor)
  }
}
