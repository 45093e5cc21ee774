/** Counts as people read them. */

/** @param what one of them, such as `job`. */
export function sayCount(count: number, what: string): string {
  return count === 1 ? `1 ${what}` : `${count} ${what}s`
}

export function sayBytes(count: number): string {
  const units = ['bytes', 'KiB', 'MiB', 'GiB', 'TiB']
  let value = count
  let unit = 0
  for (; value >= 1024 && unit < units.length - 1; unit++) value /= 1024
  return `${unit === 0 ? value : value.toFixed(1)} ${units[unit]}`
}
