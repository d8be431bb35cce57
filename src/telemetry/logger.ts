// Why: all roles write log lines of one form: one JSON object per line on stderr, so that stdout is
// free for results. Secrets redact themselves to `[redacted]` (base/secret.ts).
export type LogLevel = 'debug' | 'info' | 'warn' | 'error'
export type LogFields = Readonly<Record<string, unknown>>

export interface Logger {
  debug(message: string, fields?: LogFields): void
  info(message: string, fields?: LogFields): void
  warn(message: string, fields?: LogFields): void
  error(message: string, fields?: LogFields): void
  /** A logger that adds these fields to every line. */
  child(fields: LogFields): Logger
}

const levels: readonly LogLevel[] = ['debug', 'info', 'warn', 'error']

/** Writes each line at or above `minimum` to `write`. `nowMs` supplies the time. */
export function createLogger(
  minimum: LogLevel,
  write: (line: string) => void,
  nowMs: () => number,
  fields: LogFields = {},
): Logger {
  const from = levels.indexOf(minimum)
  const line =
    (level: LogLevel) =>
    (message: string, extra: LogFields = {}) => {
      if (levels.indexOf(level) < from) return
      write(
        `${JSON.stringify({ time: new Date(nowMs()).toISOString(), level, message, ...fields, ...extra }, plain)}\n`,
      )
    }
  return {
    debug: line('debug'),
    info: line('info'),
    warn: line('warn'),
    error: line('error'),
    child: (extra) => createLogger(minimum, write, nowMs, { ...fields, ...extra }),
  }
}

export const silentLogger: Logger = createLogger(
  'error',
  () => undefined,
  () => 0,
)

function plain(_key: string, value: unknown): unknown {
  if (typeof value === 'bigint') return value.toString()
  if (value instanceof Error) {
    const { code, reason } = value as { code?: unknown; reason?: unknown }
    return { message: value.message, code, reason, stack: value.stack }
  }
  return value
}
