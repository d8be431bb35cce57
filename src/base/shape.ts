// Why: external input and journal entries are checked before they are used. A set of small checks
// keeps every limit in a table, and every error names its field. The checks are written by hand
// because they must be fast: a listing page has a thousand objects, and the check blocks the event
// loop. How: a check returns undefined for a valid value, otherwise the end of a sentence that
// begins with the field's name: ` is longer than 200 bytes`, `[3].key has a NUL character`. Valid
// values cause no allocation.

/** Returns the problem with a value; undefined when it is valid. */
export type Check = (value: unknown) => string | undefined

interface TextLimits {
  readonly min?: number
  /** Check only the length, for texts that are only displayed, such as invalid keys. */
  readonly loose?: boolean
}

/** Well-formed text without NUL, of at most `bytesMax` UTF-8 bytes. */
export function text(bytesMax: number, { min = 0, loose = false }: TextLimits = {}): Check {
  return (value) => {
    if (typeof value !== 'string') return ' is not a text'
    // One UTF-16 unit is at most three bytes.
    if (value.length > bytesMax || (value.length * 3 > bytesMax && Buffer.byteLength(value) > bytesMax))
      return ` is longer than ${bytesMax} bytes`
    if (value.length < min) return ' is empty'
    if (loose) return undefined
    if (!value.isWellFormed()) return ' is not well-formed Unicode'
    return value.includes('\0') ? ' has a NUL character' : undefined
  }
}

/** An integer in this inclusive range. Refuses -0, which is another map key than 0. */
export function whole(min = 0, max = Number.MAX_SAFE_INTEGER): Check {
  return (value) => {
    if (!Number.isSafeInteger(value) || Object.is(value, -0)) return ' is not a whole number'
    const number = value as number
    return number < min || number > max ? ` is not between ${min} and ${max}` : undefined
  }
}

/** A finite number in this range, integer or not. */
export function finite(min: number, max: number): Check {
  return (value) => {
    if (typeof value !== 'number' || !Number.isFinite(value)) return ' is not a number'
    return value < min || value > max ? ` is not between ${min} and ${max}` : undefined
  }
}

export const flag: Check = (value) => (typeof value === 'boolean' ? undefined : ' is not true or false')

export function oneOf(...words: readonly string[]): Check {
  return (value) => (typeof value === 'string' && words.includes(value) ? undefined : ` is none of ${words.join(', ')}`)
}

export function optional(check: Check): Check {
  return (value) => (value === undefined ? undefined : check(value))
}

export function bytes(max: number): Check {
  return (value) => {
    if (!(value instanceof Uint8Array)) return ' is not bytes'
    return value.length > max ? ` is longer than ${max} bytes` : undefined
  }
}

/** At most `max` items. */
export function list(item: Check, max: number): Check {
  return (value) => {
    if (!Array.isArray(value)) return ' is not a list'
    if (value.length > max) return ` has ${value.length} entries, ${max} at most`
    for (let at = 0; at < value.length; at += 1) {
      const problem = item(value[at])
      if (problem !== undefined) return `[${at}]${problem}`
    }
    return undefined
  }
}

/**
 * A map with at most `max` entries. The name `__proto__` is refused, because some representations
 * of the map would lose it.
 */
export function map(name: Check, item: Check, max: number): Check {
  return (value) => {
    if (!isPlain(value)) return ' is not a map'
    const entries = Object.entries(value)
    if (entries.length > max) return ` has ${entries.length} entries, ${max} at most`
    for (const [key, one] of entries) {
      const problem = key === '__proto__' ? ' is no name' : (name(key) ?? item(one))
      if (problem !== undefined) return `[${shown(key)}]${problem}`
    }
    return undefined
  }
}

/**
 * An object whose fields are all checked. Unknown fields are ignored, because the writer may be
 * newer. With `T`, the compiler requires a check for every field of the type.
 */
// oxlint-disable-next-line typescript/no-unnecessary-type-parameters
export function record<T extends object>(checks: { readonly [Field in keyof T]-?: Check }): Check {
  const entries = Object.entries(checks) as [string, Check][]
  return (value) => {
    if (!isPlain(value)) return ' is not an object'
    for (const [name, check] of entries) {
      const problem = check(value[name])
      if (problem !== undefined) return `.${name}${problem}`
    }
    return undefined
  }
}

/** The first check, then the others, which check the whole value. */
export function both(first: Check, ...others: readonly Check[]): Check {
  return (value) => {
    const problem = first(value)
    if (problem !== undefined) return problem
    for (const check of others) {
      const other = check(value)
      if (other !== undefined) return other
    }
    return undefined
  }
}

/**
 * Data of any shape with at most `valuesMax` values: texts, finite numbers, lists and maps, nested
 * up to `depthMax` levels.
 */
export function plain(valuesMax: number, textBytesMax: number, depthMax = 6): Check {
  const isText = text(textBytesMax)
  return (root) => {
    let left = valuesMax
    const look = (value: unknown, depth: number): string | undefined => {
      left -= 1
      if (left < 0) return ` holds more than ${valuesMax} values`
      if (value === undefined || value === null || typeof value === 'boolean') return undefined
      if (typeof value === 'number') return Number.isFinite(value) ? undefined : ' is not a number'
      if (typeof value === 'string') return isText(value)
      if (depth === depthMax) return ` is more than ${depthMax} levels deep`
      if (!Array.isArray(value) && !isPlain(value)) return ' is not plain data'
      for (const [key, one] of Object.entries(value)) {
        const problem = key === '__proto__' ? ' is no name' : (isText(key) ?? look(one, depth + 1))
        if (problem !== undefined) return `[${shown(key)}]${problem}`
      }
      return undefined
    }
    return look(root, 0)
  }
}

/** The problem as one line that begins with the field's name. */
export function problemText(problem: string): string {
  return problem.startsWith('.') || problem.startsWith(' ') ? problem.slice(1) : problem
}

function isPlain(value: unknown): value is Readonly<Record<string, unknown>> {
  if (typeof value !== 'object' || value === null) return false
  const prototype: unknown = Object.getPrototypeOf(value)
  return prototype === Object.prototype || prototype === null
}

const shownMax = 40

function shown(name: string): string {
  const short = name.length > shownMax ? `${name.slice(0, shownMax)}...` : name
  return JSON.stringify(short.toWellFormed()).slice(1, -1)
}
