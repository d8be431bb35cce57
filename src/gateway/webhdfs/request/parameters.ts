// Why: every parameter of a request has a type, and a wrong one is refused by name, as by Hadoop.
// How: names in any case; of several values the first one counts.
import { parameterError } from '../answer/hadoop-exceptions.ts'
import { decodedText } from './url-decoding.ts'

const longDigits = /^[+-]?\d{1,19}$/
const parametersMax = 100

export class Parameters {
  readonly #values = new Map<string, string>()

  /** @throws Hadoop's IllegalArgumentException for a query that cannot be decoded */
  constructor(query: string) {
    const fields = query === '' ? [] : query.split('&')
    if (fields.length > parametersMax)
      throw parameterError('op', `the request has ${fields.length} parameters, ${parametersMax} at most`)
    for (const field of fields) {
      const equals = field.indexOf('=')
      const rawName = equals < 0 ? field : field.slice(0, equals)
      const name = decoded('name', rawName).toLowerCase()
      if (!this.#values.has(name)) this.#values.set(name, decoded(name, equals < 0 ? '' : field.slice(equals + 1)))
    }
  }

  /** Undefined: not given, or empty. */
  text(name: string): string | undefined {
    const value = this.#values.get(name)
    return value === '' ? undefined : value
  }

  /** The same where no value is written as `null`. */
  word(name: string): string | undefined {
    const value = this.text(name)
    return value === 'null' ? undefined : value
  }

  /** @throws IllegalArgumentException for another value than `true` and `false` */
  flag(name: string, otherwise: boolean): boolean {
    const value = this.word(name)
    if (value === undefined) return otherwise
    if (/^true$/i.test(value)) return true
    if (/^false$/i.test(value)) return false
    throw parameterError(name, `Failed to parse "${shown(value)}" to Boolean.`)
  }

  /** A whole number of at least `min`. @throws IllegalArgumentException */
  whole(name: string, min: number): number | undefined {
    const value = this.word(name)
    if (value === undefined) return undefined
    const isLong = longDigits.test(value) && BigInt.asIntN(64, BigInt(value)) === BigInt(value)
    if (!isLong) throw parameterError(name, `Failed to parse "${shown(value)}" as a radix-10 long integer.`)
    if (BigInt(value) < BigInt(min)) throw parameterError(name, `Invalid parameter range: ${name} = ${value} < ${min}`)
    // What is larger is beyond the end of any file.
    return Math.min(Number(value), Number.MAX_SAFE_INTEGER)
  }

  /** Permission bits in octal, sticky bit included. @throws IllegalArgumentException */
  permission(name: string): number | undefined {
    const value = this.word(name)
    if (value === undefined) return undefined
    if (!/^[0-7]{1,6}$/.test(value))
      throw parameterError(name, `Failed to parse "${shown(value)}" as a radix-8 short integer.`)
    const mode = Number.parseInt(value, 8)
    if (mode > 0o1777) throw parameterError(name, `Invalid parameter range: ${name} = ${value} > 1777`)
    return mode
  }

  /** Words with commas between, in upper case. @throws IllegalArgumentException for another word */
  words<const Word extends string>(name: string, known: readonly Word[]): ReadonlySet<Word> {
    const words = (this.text(name) ?? '').split(',').map((word) => word.trim().toUpperCase())
    const isKnown = (word: string): word is Word => (known as readonly string[]).includes(word)
    return new Set(
      words.flatMap((word) => {
        if (word === '') return []
        if (isKnown(word)) return [word]
        throw parameterError(name, `No enum constant ${shown(word)}`)
      }),
    )
  }
}

function decoded(name: string, raw: string): string {
  const text = decodedText(raw.replaceAll('+', ' '))
  if (text === undefined) throw parameterError(name.slice(0, 100), 'it is not percent-encoded UTF-8')
  return text
}

function shown(value: string): string {
  return value.slice(0, 100).toWellFormed()
}
