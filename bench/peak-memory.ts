import type { Figure } from './figure.ts'
import { peakMemoryMb } from './meter.ts'
import type { Subject } from './subject.ts'

/** The most memory that each process ever had. */
export async function peakMemory(
  of: string,
  subjects: Readonly<Record<string, Subject>>,
): Promise<Figure[]> {
  return Promise.all(
    Object.entries(subjects).map(async ([name, { pid }]) => ({
      name: `${of}: peak memory of the ${name}`,
      value: await peakMemoryMb(pid),
      unit: 'MB',
      bar: { most: 150, aim: 100 },
    })),
  )
}
