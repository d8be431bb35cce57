// Why: a client sends a change again when the answer was lost, with the number of the first call,
// and what it changed must not be changed twice, nor refused as done already. How: a call with a
// number that is under way or has succeeded is answered as that was. What failed is tried again.
// After a start of the master nothing is known; such a call is then a new one.
import { RememberedCalls } from './remembered-calls.ts'

export class RepeatedCalls {
  readonly #done: RememberedCalls<true>
  readonly #running = new Map<string, Promise<void>>()

  constructor(callsMax?: number) {
    this.#done = new RememberedCalls(callsMax)
  }

  /** @param operation undefined: a call without a number @throws what `act` throws */
  async once(operation: string | undefined, act: () => Promise<void>): Promise<void> {
    if (operation === undefined) return act()
    if (this.#done.of(operation) !== undefined) return
    const running = this.#running.get(operation)
    if (running !== undefined) return running
    const begun = act()
    this.#running.set(operation, begun)
    try {
      await begun
      this.#done.set(operation, true)
    } finally {
      this.#running.delete(operation)
    }
  }
}
