// Why: concurrent callers that need the same result share one operation.

/**
 * Runs at most one operation per key at a time. Concurrent callers get the same promise. Results
 * are not cached.
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
