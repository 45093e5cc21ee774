/** The load generator, seen from the bench. */
import { join } from 'node:path'
import { Assistant } from '../assistant.ts'
import type { Tasks } from './tasks.ts'

export class Load extends Assistant<Tasks> {
  constructor() {
    super(join(import.meta.dirname, 'main.ts'))
  }
}
