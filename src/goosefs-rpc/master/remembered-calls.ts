// Why: a client sends a call again when it does not get the answer, with the same number. How: what
// came of the last calls is remembered, as many as `callsMax`. After a start of the master nothing
// is: such a call is then a new one.

const callsMaxDefault = 10_000

export class RememberedCalls<V> {
  readonly #results = new Map<string, V>()
  readonly #callsMax: number

  constructor(callsMax = callsMaxDefault) {
    this.#callsMax = callsMax
  }

  /** @param operation undefined: a call without a number */
  of(operation: string | undefined): V | undefined {
    return operation === undefined ? undefined : this.#results.get(operation)
  }

  set(operation: string | undefined, result: V): void {
    if (operation === undefined) return
    this.#results.delete(operation)
    this.#results.set(operation, result)
    if (this.#results.size <= this.#callsMax) return
    for (const oldest of this.#results.keys()) {
      this.#results.delete(oldest)
      return
    }
  }
}
