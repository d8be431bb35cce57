// Why: a secret that gets into a log, an error or a JSON document by accident must not be readable
// there. How: the value sits in a private field, and every way of printing the object says the same
// fixed word.

/** No store has longer ones; session tokens have some 2 KiB. */
export const secretBytesMax = 16 * 1024

/** A value that redacts itself in toString, toJSON and inspect. Only `reveal()` gives it. */
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
