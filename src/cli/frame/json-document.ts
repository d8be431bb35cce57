// Why: programs read what `--format json` writes, so one name means one thing in every document.
// How: the answers of the services are rewritten on their way out: a time is milliseconds since
// 1970 and, beside it, ISO 8601 in UTC (`createdMs` and `created`), no time and no TTL are null,
// and a list that came wrapped in a message is a list. Pure.

/** Fields that are points in time. Other fields that end in `Ms` are durations. */
export const timeFields: ReadonlySet<string> = new Set([
  'accessedMs',
  'atMs',
  'createdMs',
  'dueMs',
  'endedMs',
  'lastHeartbeatMs',
  'lastRunMs',
  'modifiedAfterMs',
  'modifiedBeforeMs',
  'modifiedMs',
  'nextRunMs',
  'nowMs',
  'readyByMs',
  'startedMs',
  'submittedMs',
])

/** One JSON text of one line. */
export function jsonText(document: unknown): string {
  return JSON.stringify(jsonValue(document))
}

function jsonValue(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(jsonValue)
  if (typeof value !== 'object' || value === null) return value
  return Object.fromEntries(Object.entries(value).flatMap(([name, field]) => fieldsOf(name, field)))
}

function fieldsOf(name: string, value: unknown): [string, unknown][] {
  if (value === undefined) return []
  if (timeFields.has(name)) {
    const ms = isTime(value) ? value : null
    return [
      [name, ms],
      [name.slice(0, -'Ms'.length), ms === null ? null : new Date(ms).toISOString()],
    ]
  }
  if (name === 'ttlMs') return [[name, typeof value === 'number' && value > 0 ? value : null]]
  const wrapped = listOf(name, value)
  return [[name, wrapped === undefined ? jsonValue(value) : wrapped.map(jsonValue)]]
}

/** Zero is how the services say that there is none. */
function isTime(value: unknown): value is number {
  return typeof value === 'number' && value !== 0 && !Number.isNaN(new Date(value).getTime())
}

/** A message that holds nothing but a list of its own name, such as `workers: { workers: [] }`. */
function listOf(name: string, value: unknown): readonly unknown[] | undefined {
  if (typeof value !== 'object' || value === null) return undefined
  const entries = Object.entries(value)
  const [only] = entries
  return entries.length === 1 && only?.[0] === name && Array.isArray(only[1]) ? only[1] : undefined
}
