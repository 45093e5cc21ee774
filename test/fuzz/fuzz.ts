/**
 * Fuzzing: requests that follow from a seed, at real processes of both modes. A request that is
 * answered otherwise than described, or leaves something behind, is made as small as it can be.
 */
import assert from 'node:assert/strict'
import * as fc from 'fast-check'
import { Lab, until } from '../harness/lab.ts'
import { requestsOf } from './requests.ts'
import { makeClient, makeServer } from './subjects.ts'
import type { Made } from './subjects.ts'
import { asCommand } from './wire.ts'

export type Plan = {
  readonly seed: number
  /** To each of the modes. */
  readonly requests: number
  /** Where a failure was, as it was told: begins there, and looks at that alone. */
  readonly path?: string | undefined
}

export type Figures = {
  readonly requests: number
  readonly statuses: Readonly<Record<string, number>>
  readonly memoryMiB: { readonly warm: number; readonly end: number }
  readonly seconds: number
}

const modes = { server: makeServer, client: makeClient } as const
export type Mode = keyof typeof modes

/** Memory is as it stays after this part of the requests. */
const warmUp = 0.25
/** What a process may have gained since, whatever it was that came. */
const mostGainedMiB = 64
/** Sockets that are being closed, and connections that are kept for the next call. */
const mostFilesGained = 16

/** @throws Error with the smallest request with which something is wrong, and how to send it again. */
export async function fuzz(mode: Mode, { seed, requests, path }: Plan): Promise<Figures> {
  const startedAt = performance.now()
  await using lab = await Lab.create()
  const made = await modes[mode](lab)
  const { subject, known, often } = made
  try {
    const before = await subject.holds()
    let done = 0
    let warm = before.memoryMiB
    const property = fc.asyncProperty(
      requestsOf(subject.document, known, often),
      async (request) => {
        await subject.attempt(request)
        if (++done === Math.ceil(requests * warmUp)) warm = (await subject.holds()).memoryMiB
      },
    )
    const found = await fc.check(property, {
      seed,
      numRuns: requests,
      ...(path !== undefined && { path }),
    })
    if (found.failed) throw new Error(explain(mode, made, found))
    await assertNothingLeft(made, before.openFiles)
    const end = (await subject.holds()).memoryMiB
    const memoryMiB = { warm, end }
    assert.ok(end - warm <= mostGainedMiB, `memory grows: ${JSON.stringify(memoryMiB)} MiB`)
    const statuses = Object.fromEntries(
      [...subject.statuses].toSorted(([one], [other]) => Number(one) - Number(other)),
    )
    const seconds = Math.round((performance.now() - startedAt) / 1000)
    return { requests: found.numRuns, statuses, memoryMiB, seconds }
  } finally {
    made.stop()
  }
}

async function assertNothingLeft({ subject }: Made, openBefore: number): Promise<void> {
  let openFiles = 0
  await until('as many files are open as before', async () => {
    ;({ openFiles } = await subject.holds())
    return openFiles <= openBefore + mostFilesGained
  }).catch((error: unknown) => {
    throw new Error(`${openBefore} files were open, now ${openFiles} are`, { cause: error })
  })
}

type Found = fc.RunDetails<[Parameters<Made['subject']['attempt']>[0]]>

function explain(mode: Mode, { subject }: Made, found: Found): string {
  const { seed, counterexamplePath, counterexample, numRuns, numShrinks } = found
  const { errorInstance } = found
  const why = errorInstance instanceof Error ? errorInstance.message : String(errorInstance)
  const [request] = counterexample ?? []
  return [
    `the ${mode} fails at request ${numRuns} (made smaller ${numShrinks} times): ${why}`,
    `again: npm run test:fuzz -- --mode ${mode} --seed ${seed} --path "${counterexamplePath}"`,
    `by hand, to a ${mode} on port ${subject.port}:`,
    request ? asCommand(request, subject.port) : 'it was no request that failed',
  ].join('\n')
}
