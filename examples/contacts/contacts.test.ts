/** The example computes what the formula of the helix says, in the awk of this machine. */
import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { cp, mkdtemp, readFile, readdir, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { promisify } from 'node:util'

const run = promisify(execFile)
const residues = 30
const radius = 2.3
const rise = 1.5
const turn = (100 * Math.PI) / 180
/** The file has three decimals. */
const rounding = 0.002

/** Of two residues that are so far apart in the sequence. */
function distance(apart: number): number {
  return Math.hypot(2 * radius * Math.sin((apart * turn) / 2), apart * rise)
}

describe('the contacts example', () => {
  let directory: string
  let stdout: string
  const output = (name: string) => readFile(join(directory, name), 'utf8')
  const rows = async (name: string) => (await lines(name)).map((line) => line.split(','))
  const lines = async (name: string) => (await output(name)).trimEnd().split('\n')

  before(async () => {
    directory = await mkdtemp(join(tmpdir(), 'contacts-'))
    await cp(import.meta.dirname, directory, { recursive: true })
    ;({ stdout } = await run('bash', ['run.sh'], { cwd: directory }))
  })
  after(() => rm(directory, { recursive: true, force: true }))

  test('says how it goes on, and leaves its results', async () => {
    assert.match(stdout, /^read 30 C-alpha atoms from helix\.pdb\n/)
    assert.match(stdout, /\nrandom chains: 6000 of 6000\ndone: see summary\.txt\n$/)
    const inputs = new Set(await readdir(import.meta.dirname))
    const results = (await readdir(directory)).filter((name) => !inputs.has(name))
    assert.deepEqual(results.toSorted(), [
      'contact-map.txt',
      'contacts.csv',
      'distances.csv',
      'geometry.csv',
      'summary.txt',
    ])
  })

  test('the structure is the ideal helix, in the columns of a PDB file', async () => {
    const atoms = (await lines('helix.pdb')).filter((line) => line.startsWith('ATOM  '))
    assert.equal(atoms.length, residues)
    for (const [i, line] of atoms.entries()) {
      assert.equal(line.length, 78)
      assert.equal(line.slice(12, 16), ' CA ')
      assert.equal(Number(line.slice(22, 26)), i + 1)
      near(Number(line.slice(30, 38)), radius * Math.cos(i * turn), rounding)
      near(Number(line.slice(38, 46)), radius * Math.sin(i * turn), rounding)
      near(Number(line.slice(46, 54)), rise * i, rounding)
    }
  })

  test('every distance is that of the formula', async () => {
    const [header, ...matrix] = await rows('distances.csv')
    const names = matrix.map((row) => row[0])
    assert.deepEqual(header, ['residue', ...names])
    assert.deepEqual(names.slice(0, 6), ['GLU1', 'ALA2', 'ALA3', 'ALA4', 'LYS5', 'GLU6'])
    assert.equal(matrix.length, residues)
    for (const [i, [, ...row]] of matrix.entries()) {
      assert.equal(row.length, residues)
      for (const [j, value] of row.entries()) near(Number(value), distance(i - j), rounding)
    }
  })

  test('the contacts are the third and the fourth neighbours', async () => {
    const [header, ...contacts] = await rows('contacts.csv')
    assert.deepEqual(header, ['residue_1', 'residue_2', 'separation', 'distance_angstrom'])
    const expected = []
    for (let i = 1; i <= residues; i++) {
      for (let j = i + 3; j <= residues; j++) {
        if (distance(j - i) < 8) expected.push(`${i}-${j} ${j - i}`)
      }
    }
    const found = contacts.map(([a, b, apart]) => `${number(a)}-${number(b)} ${apart}`)
    assert.equal(found.length, 27 + 26)
    assert.deepEqual(found, expected)
    for (const [, , apart, value] of contacts) {
      near(Number(value), distance(Number(apart)), rounding)
    }
    const picture = await lines('contact-map.txt')
    const drawn = picture.flatMap((line, i) =>
      line
        .split('')
        .flatMap((sign, j) => (sign === '#' && i < j ? [`${i + 1}-${j + 1} ${j - i}`] : [])),
    )
    assert.deepEqual(drawn, expected)
  })

  test('the measures of the whole are those of the formula', async () => {
    const [header, values] = await rows('geometry.csv')
    const named = Object.fromEntries((header ?? []).map((name, i) => [name, Number(values?.[i])]))
    const steps = Array.from({ length: residues }, (_, i) => i)
    const center = {
      x: mean(steps.map((i) => radius * Math.cos(i * turn))),
      y: mean(steps.map((i) => radius * Math.sin(i * turn))),
    }
    // Mean square from the axis and along it, less what the centre is beside the axis.
    const square =
      radius ** 2 + (rise ** 2 * (residues ** 2 - 1)) / 12 - center.x ** 2 - center.y ** 2
    assert.equal(named['residues'], residues)
    near(named['bond_angstrom'], distance(1), rounding)
    near(named['end_to_end_angstrom'], distance(residues - 1), rounding)
    near(named['radius_of_gyration_angstrom'], Math.sqrt(square), rounding)
    const summary = await output('summary.txt')
    assert.match(summary, /^helix\.pdb, C-alpha atoms\n {2}residues +30\n/)
    assert.match(summary, /\n {2}radius of gyration +13\.185 A\n {2}contacts +53 /)
  })

  test('random chains are as large as theory says', async () => {
    const summary = await output('summary.txt')
    const bonds = residues - 1
    const ends = bonds * distance(1) ** 2
    const gyration = (distance(1) ** 2 * bonds * (bonds + 2)) / (6 * (bonds + 1))
    for (const [name, theory] of [
      ['end-to-end distance', ends],
      ['radius of gyration', gyration],
    ] as const) {
      const found = new RegExp(`mean square ${name} +(\\S+) +(\\S+) +(\\S+) A`).exec(summary)
      const [sampled, error, printed] = (found ?? []).slice(1).map(Number)
      near(printed, theory, theory / 1000)
      near(sampled, theory, 3 * (error ?? NaN))
      assert.ok(error !== undefined && error > 0 && error < theory / 50, `error ${error}`)
    }
    // The same numbers in every awk: figures that mawk, gawk, busybox and bwk's awk agree on.
    assert.match(summary, /end-to-end distance +428\.41 /)
    assert.match(summary, /radius of gyration +74\.00 /)
    assert.match(summary, /or longer +0\.18 %/)
  })

  test('a file without C-alpha atoms fails, and says so', async () => {
    const empty = await mkdtemp(join(tmpdir(), 'contacts-'))
    try {
      await cp(import.meta.dirname, empty, { recursive: true })
      await writeFile(join(empty, 'helix.pdb'), 'END\n')
      await assert.rejects(run('bash', ['run.sh'], { cwd: empty }), {
        code: 1,
        stderr: /^helix\.pdb: fewer than two C-alpha atoms\n$/,
      })
    } finally {
      await rm(empty, { recursive: true, force: true })
    }
  })
})

/** `12` of `ALA12`. */
function number(name = ''): string {
  return name.slice(3)
}

function mean(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0) / values.length
}

function near(actual: number | undefined, expected: number, tolerance: number): void {
  assert.ok(
    actual !== undefined && Math.abs(actual - expected) <= tolerance,
    `${actual} is not within ${tolerance} of ${expected}`,
  )
}
