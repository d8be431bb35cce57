// Why: a client that has stopped in one stream must not hold up its others, which share the flow
// control of one connection. How: it says how many messages it takes ahead, and after each how far
// it is; more are not sent. A receipt that is lost is not waited for for ever.
// Sequence: `prefetch_window` and `offset_received` in src/io/reader.rs of the Rust client, 0.2.2.
import type { Clock } from '../../base/clock.ts'

const patienceMs = 30_000

export class ReceiptWindow {
  readonly #messagesMax: number
  readonly #clock: Pick<Clock, 'schedule'>
  /** Where messages that were sent and not received end, in order. */
  #ends: number[] = []
  #wake: (() => void) | undefined

  /** @param messagesMax sent ahead of what was received */
  constructor(messagesMax: number, clock: Pick<Clock, 'schedule'>) {
    this.#messagesMax = messagesMax
    this.#clock = clock
  }

  /** All before this offset has arrived. */
  received(offset: number): void {
    this.#ends = this.#ends.filter((end) => end > offset)
    if (this.#hasRoom()) this.#wake?.()
  }

  /** A message was sent that ends at this offset. Resolves when one more may be sent. */
  async sent(end: number): Promise<void> {
    this.#ends.push(end)
    if (this.#hasRoom()) return
    await new Promise<void>((resolve) => {
      const cancel = this.#clock.schedule(patienceMs, () => {
        this.#ends = []
        resolve()
      })
      this.#wake = () => {
        cancel()
        resolve()
      }
    })
    this.#wake = undefined
  }

  #hasRoom(): boolean {
    return this.#ends.length < this.#messagesMax
  }
}
