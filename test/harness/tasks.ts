/** Uploads of every kind, whose scripts tell the ledger of themselves and write known bytes. */
import { createCipheriv, createHash } from 'node:crypto'
import type { Ending } from '../../src/domain/job.ts'
import type { Files } from './api.ts'
import type { Ledger } from './ledger.ts'

export const taskKinds = [
  'quick',
  /** Some seconds. */
  'long',
  /** Exit code 3, always. */
  'failing',
  /** Exit code 3 two times, and then 0; the upload asks for it with `max_attempts`. */
  'retrying',
  /** Never ends; the driver has to terminate it. */
  'endless',
  /** Some MB that cannot be compressed, to the client and back. */
  'big',
  /** Files in directories. */
  'many',
] as const

export type TaskKind = (typeof taskKinds)[number]

export type Task = {
  readonly label: string
  readonly kind: TaskKind
  readonly files: Files
  /** Further fields of the upload. */
  readonly fields: Readonly<Record<string, string>>
  /** How it ends when nobody terminates it. */
  readonly ending: Ending
  /** Every file of its result, but for those under `.orchestrator/`, when its script ended by itself. */
  readonly results: () => ReadonlyMap<string, Buffer>
}

const inputBytes = 256 * 1024
const bigCopies = 8
const manyFiles = 150
const failuresBeforeSuccess = 2

/** Its number of `alive` lines, a fifth of a second apart. */
const longBeats = 15

const beat = 'sleep 0.2; tell alive'

/** What each kind does after the prologue and before its result is written. */
const bodies: Record<TaskKind, (label: string, ledger: Ledger) => string> = {
  quick: () => '',
  long: () => `for ((i = 0; i < ${longBeats}; i++)); do ${beat}; done`,
  failing: () => '',
  // What it has told itself may be in the ledger a moment later, and then all before it is.
  retrying: (label, { file }) => `until grep -q "^start ${label} $JOB_ID $ATTEMPT " '${file}'; do
  sleep 0.01
done
mapfile -t failures < <(grep '^start ${label} ' '${file}')`,
  endless: () => `while :; do ${beat}; done`,
  big: () => `for ((i = 0; i < ${bigCopies}; i++)); do cat input.bin; done >big.bin`,
  many: (label) => `for ((i = 0; i < ${manyFiles}; i++)); do
  ((i < 10)) && mkdir -p "out/$i"
  echo "${label} $i" >"out/$((i % 10))/$i.txt"
done`,
}

const lastLines: Partial<Record<TaskKind, string>> = {
  failing: 'exit 3',
  retrying: `((\${#failures[@]} > ${failuresBeforeSuccess})) || exit 3`,
}

const endings: Partial<Record<TaskKind, Ending>> = {
  failing: 'Failed',
  endless: 'Killed',
}

/** Bytes that follow from a label alone, and look random. */
export function bytesOf(label: string, sizeBytes: number): Buffer<ArrayBuffer> {
  const key = createHash('sha256').update(label).digest().subarray(0, 16)
  const cipher = createCipheriv('aes-128-ctr', key, Buffer.alloc(16))
  return Buffer.from(cipher.update(Buffer.alloc(sizeBytes)))
}

/** @param label is in no other task of the ledger: letters, digits and hyphens. */
export function makeTask(ledger: Ledger, label: string, kind: TaskKind): Task {
  const script = `${ledger.prologue(label)}${bodies[kind](label, ledger)}
echo '${label}' >result.txt
${lastLines[kind] ?? ''}
`
  const input = kind === 'big' ? { 'input.bin': bytesOf(label, inputBytes) } : {}
  return {
    label,
    kind,
    files: { ...input, 'run.sh': script },
    fields: kind === 'retrying' ? { max_attempts: String(failuresBeforeSuccess + 1) } : {},
    ending: endings[kind] ?? 'Completed',
    results: () => resultsOf(label, kind, script),
  }
}

function resultsOf(label: string, kind: TaskKind, script: string): Map<string, Buffer> {
  const files = new Map([
    ['run.sh', Buffer.from(script)],
    ['result.txt', Buffer.from(`${label}\n`)],
  ])
  if (kind === 'big') {
    const input = bytesOf(label, inputBytes)
    files.set('input.bin', input)
    files.set('big.bin', Buffer.concat(Array.from({ length: bigCopies }, () => input)))
  }
  if (kind === 'many') {
    for (let i = 0; i < manyFiles; i++) {
      files.set(`out/${i % 10}/${i}.txt`, Buffer.from(`${label} ${i}\n`))
    }
  }
  return files
}
