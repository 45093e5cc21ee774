/** Sizes as people read them. */

const units: readonly (readonly [unit: string, bytes: number])[] = [
  ['TiB', 1024 ** 4],
  ['GiB', 1024 ** 3],
  ['MiB', 1024 ** 2],
  ['KiB', 1024],
]

/** `1 GiB`, `1536 MiB`, `1000 B`: in the largest unit of which it is a whole number, as it was set. */
export function sayExactBytes(bytes: number): string {
  const [unit, size] = units.find(([, one]) => bytes % one === 0 && bytes > 0) ?? ['B', 1]
  return `${bytes / size} ${unit}`
}
