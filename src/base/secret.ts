// Why: a secret that reaches a log, an error or a JSON document by accident must not be readable
// there. How: the value is in a private field, and every way to print the object prints the same
// fixed word.

/** No store has longer secrets. Session tokens have about 2 KiB. */
export const secretBytesMax = 16 * 1024

/** A value that redacts itself in toString, toJSON and inspect. Only `reveal()` returns it. */
export class Secret {
  readonly #value: string

  constructor(value: string) {
    this.#value = value
  }

  reveal(): string {
    return this.#value
  }

  toString(): string {
    return '[redacted]'
  }

  toJSON(): string {
    return '[redacted]'
  }

  [Symbol.for('nodejs.util.inspect.custom')](): string {
    return '[redacted]'
  }
}
