/** The parts of a signed `/submit`, held against what was signed while they come. */
import { Fault } from '../../domain/errors.ts'
import type { Part } from '../../domain/part.ts'
import { optionsPart } from '../../domain/protocol.ts'
import { Manifest, noting } from '../../trust/manifest.ts'
import { sealPart } from '../../trust/signature.ts'
import type { Proof } from '../../trust/verifier.ts'

/** The name of every file's part; another name could mean another path. */
const filePart = 'file'

/**
 * The same parts, but for the last, which has the signature of the files.
 *
 * The options come first, and are checked before anybody acts on them. Who has been given all parts
 * knows that the files are those that were signed: no other content or name, none more, none less,
 * in that order. Nothing may be made of them before.
 *
 * @param refuse says in the log that something was refused.
 * @throws Fault `unauthenticated`
 */
export async function* sealedParts(
  parts: AsyncIterable<Part>,
  proof: Proof,
  refuse: (why: string) => Fault,
): AsyncGenerator<Part, void, undefined> {
  const manifest = new Manifest()
  let comes: 'options' | 'files' | 'nothing' = 'options'
  for await (const part of parts) {
    if (comes === 'nothing') throw refuse('a part comes after the signature of its files')
    if (comes === 'options') {
      if (part.kind !== 'field' || part.name !== optionsPart || !proof.areOptions(part.value)) {
        throw refuse('its options are not those that were signed')
      }
      comes = 'files'
      yield part
    } else if (part.kind === 'file') {
      if (part.field !== filePart) throw refuse(`the part of a file is not named "${filePart}"`)
      yield { ...part, content: noting(manifest, part.filename, part.content) }
    } else {
      if (part.name !== sealPart || !proof.areFiles(manifest, part.value)) {
        throw refuse('its files are not those that were signed')
      }
      comes = 'nothing'
    }
  }
  if (comes !== 'nothing') throw refuse('the signature of its files is missing')
}
