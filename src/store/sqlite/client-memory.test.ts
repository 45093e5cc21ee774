import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after } from 'node:test'
import { clientMemorySuite } from '../client-memory.suite.ts'
import { openClientMemory } from './client-memory.ts'

const directory = await mkdtemp(join(tmpdir(), 'job-orchestrator-test-'))
after(() => rm(directory, { recursive: true }))

clientMemorySuite('SQLite on disk', (name) => openClientMemory(join(directory, name)))
