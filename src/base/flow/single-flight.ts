// Why: many callers that want the same thing at the same time cost one piece of work.

/**
 * Runs at most one operation a key at a time; callers that come meanwhile get the same promise.
 * Nothing is kept afterwards.
 */
export class SingleFlight<K, V> {
  readonly #running = new Map<K, Promise<V>>()

  run(key: K, operation: () => Promise<V>): Promise<V> {
    const running = this.#running.get(key)
    if (running !== undefined) return running
    const started = operation().finally(() => this.#running.delete(key))
    this.#running.set(key, started)
    return started
  }
}
