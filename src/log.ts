import { pino } from 'pino'
import type { Logger } from 'pino'
import { PinoPretty } from 'pino-pretty'

export type Log = Logger

/**
 * A structured log on standard output: lines for people on a terminal, JSON lines otherwise.
 * `level` is one of `domain/log-level.ts`. Lines are written at once, so that the last words of a process that dies are not lost.
 */
export function createLog(level: string): Log {
  const timestamp = pino.stdTimeFunctions.isoTime
  if (!process.stdout.isTTY) {
    return pino({ level, timestamp, base: null }, pino.destination({ dest: 1, sync: true }))
  }
  const lines = PinoPretty({
    sync: true,
    singleLine: true,
    hideObject: level !== 'debug' && level !== 'trace',
    translateTime: 'SYS:HH:MM:ss.l',
  })
  return pino({ level, base: null }, lines)
}
