/**
 * What is in an executable for debuggers alone is at its end, behind all that is ever loaded: there
 * it can be cut off without any tool. (ELF, 64 bits, little-endian, as on both our processors.)
 */

/** A section that is loaded. */
const allocated = 2n
const sectionBytes = 64

/** @returns a copy that has only what is loaded, with a table of its sections. */
export function withoutDebugging(executable: Buffer): Buffer {
  if (executable.readUInt32BE(0) !== 0x7f454c46 || executable.readUInt16BE(4) !== 0x0201) {
    throw new Error('this is no ELF executable of 64 bits')
  }
  const table = Number(executable.readBigUInt64LE(0x28))
  const sections = Array.from({ length: executable.readUInt16LE(0x3c) }, (_, index) =>
    executable.subarray(table + index * sectionBytes, table + (index + 1) * sectionBytes),
  )
  const names = sections[executable.readUInt16LE(0x3e)]
  // They come first, so that their numbers, by which they refer to each other, stay.
  const count = 1 + sections.slice(1).findIndex((section) => !isLoaded(section))
  if (!names || count === 0 || sections.slice(count).some(isLoaded)) {
    throw new Error('its sections are not in the order that we know')
  }
  const content = placeOf(names)
  const end = Math.max(headersEnd(executable), ...sections.slice(0, count).map(endOf))
  const kept = [...sections.slice(0, count), Buffer.from(names)]
  kept[count]?.writeBigUInt64LE(BigInt(end), 0x18)
  const padding = -(end + content.size) & 7
  const made = Buffer.concat([
    executable.subarray(0, end),
    executable.subarray(content.offset, content.offset + content.size),
    Buffer.alloc(padding),
    ...kept,
  ])
  made.writeBigUInt64LE(BigInt(end + content.size + padding), 0x28)
  made.writeUInt16LE(count + 1, 0x3c)
  made.writeUInt16LE(count, 0x3e)
  return made
}

function isLoaded(section: Buffer): boolean {
  return (section.readBigUInt64LE(0x08) & allocated) !== 0n
}

function placeOf(section: Buffer): { readonly offset: number; readonly size: number } {
  return {
    offset: Number(section.readBigUInt64LE(0x18)),
    size: Number(section.readBigUInt64LE(0x20)),
  }
}

/** Where its content ends; one of zeros (NOBITS) has none. */
function endOf(section: Buffer): number {
  const { offset, size } = placeOf(section)
  return section.readUInt32LE(0x04) === 8 ? offset : offset + size
}

/** Where the table of what is to be loaded ends. */
function headersEnd(executable: Buffer): number {
  const count = executable.readUInt16LE(0x38)
  return Number(executable.readBigUInt64LE(0x20)) + count * executable.readUInt16LE(0x36)
}
