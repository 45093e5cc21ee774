/** What a backup or a restore says, in lines. */

/** Two columns, the first as wide as it has to be. */
export function sayTable(rows: readonly (readonly [string, string])[]): string[] {
  const width = Math.max(0, ...rows.map(([what]) => what.length))
  return rows.map(([what, value]) => `  ${what.padEnd(width)}  ${value}`)
}

/** So many troubles are named; of the others there is a count. */
const mostNamed = 20

export function sayTroubles(title: string, troubles: readonly string[]): string[] {
  if (troubles.length === 0) return []
  const more = troubles.length - mostNamed
  return [
    title,
    ...troubles.slice(0, mostNamed).map((line) => `  ${line}`),
    ...(more > 0 ? [`  ... and ${more} more`] : []),
  ]
}
