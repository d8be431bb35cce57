// Why: resolve-config.ts asks for a key by name and gets its typed value, set or default, parsed
// and checked once.
import { toSkeinError } from '../base/errors.ts'
import { Secret } from '../base/secret.ts'
import type { ConfigMode } from './config.ts'
import { type Setting, settingError } from './layers.ts'
import { parseValue, type Value } from './keys/value-syntax.ts'
import { definitionOf, type KeyName } from './keys/schema.ts'

/** The names of keys: those of the table, with the number of a tier instead of `{x}`. */
export type UsableKey =
  | Exclude<KeyName, `${string}{x}${string}`>
  | `goosefs.worker.tieredstore.level${number}.${string}`

export class Values {
  readonly #settings: ReadonlyMap<string, Setting>
  readonly #mode: ConfigMode

  /** @param settings at most one per key, all keys known */
  constructor(settings: ReadonlyMap<string, Setting>, mode: ConfigMode) {
    this.#settings = settings
    this.#mode = mode
    for (const [key, setting] of settings) this.#parse(key, setting.text)
  }

  given(key: UsableKey): boolean {
    return this.#settings.has(key)
  }

  text(key: UsableKey): string | undefined {
    const value = this.#value(key)
    return typeof value === 'string' ? value : undefined
  }

  number(key: UsableKey): number | undefined {
    const value = this.#value(key)
    return typeof value === 'number' ? value : undefined
  }

  secret(key: UsableKey): Secret | undefined {
    const value = this.#value(key)
    return value instanceof Secret ? value : undefined
  }

  words(key: UsableKey): readonly string[] | undefined {
    return this.#list(key)?.map(String)
  }

  numbers(key: UsableKey): readonly number[] | undefined {
    return this.#list(key)?.map(Number)
  }

  flag(key: UsableKey): boolean {
    return this.#value(key) === true
  }

  /** A number. The key must have a default in the table. */
  amount(key: UsableKey): number {
    const value = this.number(key)
    if (value === undefined) throw this.error(key, 'has no default')
    return value
  }

  /** A text. The key must have a default in the table. */
  word(key: UsableKey): string {
    const value = this.text(key)
    if (value === undefined) throw this.error(key, 'has no default')
    return value
  }

  /** An error about this key, with the source of its value. */
  error(key: UsableKey, problem: string): Error {
    return settingError(this.#settings.get(key), key, problem)
  }

  #list(key: UsableKey): readonly (string | number)[] | undefined {
    const value = this.#value(key)
    return Array.isArray(value) ? value : undefined
  }

  #value(key: UsableKey): Value | undefined {
    const definition = definitionOf(key)
    const text =
      this.#settings.get(key)?.text ??
      (this.#mode === 'local' ? definition?.localDefault : undefined) ??
      definition?.default
    return text === undefined ? undefined : this.#parse(key, text)
  }

  #parse(key: string, text: string): Value {
    const definition = definitionOf(key)
    try {
      if (definition === undefined) throw settingError(undefined, key, 'unknown key')
      return parseValue(definition, text)
    } catch (thrown) {
      throw settingError(this.#settings.get(key), key, toSkeinError(thrown).message)
    }
  }
}
