import { existsSync, realpathSync } from 'node:fs'
import { dirname, join, resolve, sep } from 'node:path'

/** A path without links, as far as it is there. */
export function realPath(path: string): string {
  const whole = resolve(path)
  if (existsSync(whole) || dirname(whole) === whole) return realpathSync(whole)
  return join(realPath(dirname(whole)), whole.slice(dirname(whole).length))
}

/** Whether a path is a directory or inside it. */
export function isInside(path: string, directory: string): boolean {
  return `${realPath(path)}${sep}`.startsWith(`${realPath(directory)}${sep}`)
}
