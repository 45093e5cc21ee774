/** How much of a disk is to be left free. */

/** A disk that something of ours is on, and how much of it this user could still fill. */
export type Disk = {
  /** The setting whose path is on it, such as `DATA_PATH`. */
  readonly name: string
  readonly freeBytes: number
}

/**
 * Says which disk has too little left.
 *
 * @param leastBytes has to be left; 0: nothing has to.
 * @returns `undefined` if all have enough.
 */
export function findShortage(disks: readonly Disk[], leastBytes: number): string | undefined {
  const short = disks.find(({ freeBytes }) => freeBytes < leastBytes)
  if (!short) return undefined
  const [left, least] = [short.freeBytes, leastBytes].map(saySize)
  return `the disk of ${short.name} has ${left} left, less than MIN_FREE_SPACE (${least})`
}

const units = ['B', 'KiB', 'MiB', 'GiB', 'TiB']

/** A size for people, as the settings take it: `1 GiB`, `37.2 MiB`. */
export function saySize(bytes: number): string {
  let [value, unit] = [bytes, 0]
  while (value >= 1024 && unit < units.length - 1) {
    value /= 1024
    unit++
  }
  // Rounded down: what is below a limit is not to look as if it were not.
  return `${Math.floor(value * 10) / 10} ${units[unit]}`
}
