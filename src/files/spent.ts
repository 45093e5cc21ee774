/**
 * Pieces of files that were written or sent are garbage, and large; to the collector, which sees a
 * small object for each, they are hardly worth a look, until there are so many of them that it
 * looks at everything. So it is told, for next to nothing, when a few MB have come together.
 */
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'

const collectEveryBytes = 16 * 1024 * 1024

type Collect = (options: { readonly type: 'minor' }) => void

setFlagsFromString('--expose-gc')
const collect = runInNewContext('gc') as Collect
// Whoever debugs the program is not to wonder about it.
setFlagsFromString('--no-expose-gc')

let spentBytes = 0

/** A piece of so many bytes will not be used any more, soon. */
export function spend(sizeBytes: number): void {
  spentBytes += sizeBytes
  if (spentBytes < collectEveryBytes) return
  spentBytes = 0
  collect({ type: 'minor' })
}
