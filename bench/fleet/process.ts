/** The fleet, seen from the bench: many clients in one process, which is cheap. */
import { join } from 'node:path'
import { Assistant } from '../assistant.ts'
import type { FleetTasks } from './tasks.ts'

export class Fleet extends Assistant<FleetTasks> {
  constructor() {
    super(join(import.meta.dirname, 'main.ts'))
  }
}
