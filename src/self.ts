/** How this program is started once more. */
import { join } from 'node:path'
import { isSea } from 'node:sea'

/** In the npm package, made known when it is bundled (scripts/build/bundle.ts). */
declare const bundleDirectory: string

/** What follows Node.js itself in the command: the flags of V8, and the file. */
export function ownArguments(): string[] {
  // The executable knows both.
  if (isSea()) return []
  const flags = process.execArgv.filter(
    (flag) => flag.startsWith('--max-') || flag.startsWith('--no-'),
  )
  const file =
    typeof bundleDirectory === 'string'
      ? join(bundleDirectory, 'main.cjs')
      : join(import.meta.dirname, 'main.ts')
  return [...flags, file]
}
