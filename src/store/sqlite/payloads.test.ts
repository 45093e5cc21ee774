import { payloadStoreSuite } from '../payloads.suite.ts'
import { openPayloadStore } from './payloads.ts'

payloadStoreSuite('SQLite in memory', openPayloadStore)
