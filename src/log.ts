import { pino } from 'pino'
import type { LogFn, Logger, LoggerOptions } from 'pino'
import { PinoPretty } from 'pino-pretty'
import { maskTokens } from './domain/token.ts'
import { showUnseen, showUnseenInJson } from './domain/unseen.ts'

export type Log = Logger

/** Whatever strangers write where it is logged, such as a token in a URL, or what moves a cursor. */
const hooks: NonNullable<LoggerOptions['hooks']> = {
  logMethod(args, method) {
    const shown = args.map((arg: unknown) => (typeof arg === 'string' ? showUnseen(arg) : arg))
    method.apply(this, shown as Parameters<LogFn>)
  },
  streamWrite: (line) => showUnseenInJson(maskTokens(line)),
}

/**
 * A structured log on standard output: lines for people on a terminal, JSON lines otherwise.
 * `level` is one of `domain/log-level.ts`. Lines are written at once, so that the last words of a
 * process that dies are not lost.
 */
export function createLog(level: string): Log {
  return process.stdout.isTTY
    ? createReadableLog(level, process.stdout)
    : pino(
        { level, timestamp: pino.stdTimeFunctions.isoTime, base: null, hooks },
        pino.destination({ dest: 1, sync: true }),
      )
}

/** For people: the message alone, or, from `debug` on, all that goes with it. */
export function createReadableLog(level: string, destination: NodeJS.WritableStream): Log {
  const hideObject = level !== 'debug' && level !== 'trace'
  const lines = PinoPretty({
    destination,
    hideObject,
    // Together with `hideObject` it would swallow the ends of the lines.
    singleLine: !hideObject,
    translateTime: 'SYS:HH:MM:ss.l',
  })
  return pino({ level, base: null, hooks }, lines)
}
