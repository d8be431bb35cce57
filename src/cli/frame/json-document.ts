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
  // A loop, because a listing has many entries of many fields.
  const shown: Record<string, unknown> = {}
  for (const [name, field] of Object.entries(value)) if (field !== undefined) addField(shown, name, field)
  return shown
}

function addField(shown: Record<string, unknown>, name: string, value: unknown): void {
  if (timeFields.has(name)) {
    const time = timeOf(value)
    shown[name] = time === undefined ? null : value
    shown[name.slice(0, -'Ms'.length)] = time === undefined ? null : time.toISOString()
  } else if (name === 'ttlMs') {
    shown[name] = typeof value === 'number' && value > 0 ? value : null
  } else if (typeof value !== 'object' && name !== '__proto__') {
    shown[name] = value
  } else {
    const wrapped = listOf(name, value)
    const field = wrapped === undefined ? jsonValue(value) : wrapped.map(jsonValue)
    // Metadata may have this name, too.
    if (name === '__proto__') Object.defineProperty(shown, name, { value: field, enumerable: true })
    else shown[name] = field
  }
}

/** Zero is how the services say that there is none. */
function timeOf(value: unknown): Date | undefined {
  if (typeof value !== 'number' || value === 0) return undefined
  const time = new Date(value)
  return Number.isNaN(time.getTime()) ? undefined : time
}

/** A message that holds nothing but a list of its own name, such as `workers: { workers: [] }`. */
function listOf(name: string, value: unknown): readonly unknown[] | undefined {
  if (typeof value !== 'object' || value === null) return undefined
  const entries = Object.entries(value)
  const [only] = entries
  return entries.length === 1 && only?.[0] === name && Array.isArray(only[1]) ? only[1] : undefined
}
