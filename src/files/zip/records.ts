/**
 * The records of a ZIP file, as PKWARE's APPNOTE 6.3.10 lays them out; sections are named below.
 * Names are UTF-8, times are local as `zip` writes them and, in an "extended timestamp" of Info-ZIP,
 * seconds since 1970, modes are those of Unix.
 */

/** One entry, as far as it is known before its content is. */
export type EntryHead = {
  /** A directory's ends with a slash. */
  readonly name: string
  /** Type and permissions, as in stat(2). */
  readonly mode: number
  readonly mtime: Date
}

/** How an entry's content came out. */
export type EntryBody = {
  readonly isDeflated: boolean
  readonly crc32: number
  readonly sizeBytes: number
  readonly packedBytes: number
}

/** What the central directory says of an entry. */
export type Listed = {
  readonly head: EntryHead
  readonly body: EntryBody
  /** Its sizes follow its content, where they were not known before it. */
  readonly isStreamed: boolean
  readonly offsetBytes: number
}

const utf8 = 0x0800
const sizesFollow = 0x0008
const deflated = 8
/** 2.0: deflate and directories; 4.5: ZIP64. */
const versions = { plain: 20, large: 45 }
const madeOnUnix = 3 << 8
const most16 = 0xffff
const most32 = 0xffffffff
const longestName = most16

/** An entry that may become so large has its sizes in eight bytes; deflate can make it longer. */
const mayBeLargeBytes = 0xf0000000

/** Before this a ZIP knows no time. */
const earliest = new Date(Date.UTC(1980, 0, 2))

/** Whether an entry can have this name. */
export function isPossibleName(name: string): boolean {
  return name !== '' && Buffer.byteLength(name) <= longestName
}

/** Whether the sizes of an entry of up to so many bytes are written in eight bytes each. */
export function mayBeLarge(mostBytes: number): boolean {
  return mostBytes > mayBeLargeBytes
}

/**
 * 4.3.7, local file header.
 *
 * @param body `undefined` where a data descriptor follows the content.
 */
export function localHeader(
  head: EntryHead,
  body: EntryBody | undefined,
  isLarge: boolean,
): Buffer {
  const name = Buffer.from(head.name)
  // Sizes are all ones where they stand in the extra field, and there nothing where they follow.
  const sizes = isLarge ? [most32, most32] : [body?.packedBytes ?? 0, body?.sizeBytes ?? 0]
  const extra = Buffer.concat([timestamp(head), ...(isLarge ? [largeExtra([0, 0])] : [])])
  const record = new Fields(30 + name.byteLength + extra.byteLength)
    .four(0x04034b50)
    .two(isLarge ? versions.large : versions.plain)
    .two(body ? utf8 : utf8 | sizesFollow)
    .two(body && !body.isDeflated ? 0 : deflated)
    .four(dosTime(head.mtime))
    .four(body?.crc32 ?? 0)
  for (const size of sizes) record.four(size)
  return record.two(name.byteLength).two(extra.byteLength).bytes(name).bytes(extra).done()
}

/** 4.3.9, data descriptor. */
export function dataDescriptor(body: EntryBody, isLarge: boolean): Buffer {
  const record = new Fields(isLarge ? 24 : 16).four(0x08074b50).four(body.crc32)
  for (const size of [body.packedBytes, body.sizeBytes]) {
    if (isLarge) record.eight(size)
    else record.four(size)
  }
  return record.done()
}

/** 4.3.12, central directory header. */
export function directoryHeader({ head, body, isStreamed, offsetBytes }: Listed): Buffer {
  const name = Buffer.from(head.name)
  const values = [body.sizeBytes, body.packedBytes, offsetBytes]
  const large = values.filter((value) => value >= most32)
  const extra = Buffer.concat([timestamp(head), ...(large.length > 0 ? [largeExtra(large)] : [])])
  const version = large.length > 0 ? versions.large : versions.plain
  return new Fields(46 + name.byteLength + extra.byteLength)
    .four(0x02014b50)
    .two(madeOnUnix | version)
    .two(version)
    .two(isStreamed ? utf8 | sizesFollow : utf8)
    .two(body.isDeflated ? deflated : 0)
    .four(dosTime(head.mtime))
    .four(body.crc32)
    .four(Math.min(body.packedBytes, most32))
    .four(Math.min(body.sizeBytes, most32))
    .two(name.byteLength)
    .two(extra.byteLength)
    .two(0) // no comment
    .two(0) // the one disk that there is
    .two(0) // no internal attributes
    .four((head.mode << 16) >>> 0)
    .four(Math.min(offsetBytes, most32))
    .bytes(name)
    .bytes(extra)
    .done()
}

/** 4.3.14 to 4.3.16: the end of the central directory, with ZIP64's own end where it is needed. */
export function directoryEnd(count: number, offsetBytes: number, sizeBytes: number): Buffer {
  const isLarge = count >= most16 || offsetBytes >= most32 || sizeBytes >= most32
  const end = new Fields(22)
    .four(0x06054b50)
    .four(0) // disks
    .two(Math.min(count, most16))
    .two(Math.min(count, most16))
    .four(Math.min(sizeBytes, most32))
    .four(Math.min(offsetBytes, most32))
    .two(0) // no comment
    .done()
  if (!isLarge) return end
  const largeEnd = new Fields(56)
    .four(0x06064b50)
    .eight(44) // bytes of this record that follow
    .two(madeOnUnix | versions.large)
    .two(versions.large)
    .eight(0) // disks
    .eight(count)
    .eight(count)
    .eight(sizeBytes)
    .eight(offsetBytes)
    .done()
  const locator = new Fields(20)
    .four(0x07064b50)
    .four(0)
    .eight(offsetBytes + sizeBytes)
    .four(1) // disks in all
    .done()
  return Buffer.concat([largeEnd, locator, end])
}

/** 4.5.3, ZIP64 extended information. */
function largeExtra(values: readonly number[]): Buffer {
  const record = new Fields(4 + 8 * values.length).two(0x0001).two(8 * values.length)
  for (const value of values) record.eight(value)
  return record.done()
}

/** Info-ZIP's extended timestamp, with the time of the last change alone. */
function timestamp({ mtime }: EntryHead): Buffer {
  const seconds = Math.floor(mtime.getTime() / 1000)
  if (!(seconds >= 0 && seconds <= 0x7fffffff)) return Buffer.alloc(0)
  return new Fields(9).two(0x5455).two(5).one(1).four(seconds).done()
}

/** 4.4.6: the time in the lower half, the date in the upper one; of two seconds each. */
function dosTime(mtime: Date): number {
  const date = mtime < earliest ? earliest : mtime
  const year = Math.min(date.getFullYear(), 2107) - 1980
  const day = (year << 9) | ((date.getMonth() + 1) << 5) | date.getDate()
  const time = (date.getHours() << 11) | (date.getMinutes() << 5) | (date.getSeconds() >> 1)
  return ((day << 16) | time) >>> 0
}

/** Writes little-endian numbers one after the other. */
class Fields {
  readonly #buffer: Buffer
  #at = 0

  constructor(sizeBytes: number) {
    this.#buffer = Buffer.allocUnsafe(sizeBytes)
  }

  one(value: number): this {
    this.#at = this.#buffer.writeUInt8(value, this.#at)
    return this
  }

  two(value: number): this {
    this.#at = this.#buffer.writeUInt16LE(value, this.#at)
    return this
  }

  four(value: number): this {
    this.#at = this.#buffer.writeUInt32LE(value, this.#at)
    return this
  }

  eight(value: number): this {
    this.#at = this.#buffer.writeBigUInt64LE(BigInt(value), this.#at)
    return this
  }

  bytes(value: Buffer): this {
    this.#at += value.copy(this.#buffer, this.#at)
    return this
  }

  done(): Buffer {
    return this.#buffer
  }
}
