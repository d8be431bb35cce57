// Why: a benchmark that is stopped must not leave servers running, nor folders behind. How: what
// was started is undone in reverse order, when the work has ended and when a signal stops it.
import { stopSignals } from './harness/bench-tools.ts'

/** Of a shell, for a program that SIGINT ended. */
const stoppedCode = 130

export type Undo = () => Promise<void> | void

export class Undos {
  readonly #undos: Undo[] = []
  #closing: Promise<void> | undefined

  /** Called in reverse order at the end. */
  onEnd(undo: Undo): void {
    this.#undos.push(undo)
  }

  /** Each call resolves when all is undone. */
  close(): Promise<void> {
    return (this.#closing ??= this.#undoAll())
  }

  async #undoAll(): Promise<void> {
    const errors: unknown[] = []
    // What is still being started adds more.
    for (let undo = this.#undos.pop(); undo !== undefined; undo = this.#undos.pop()) {
      try {
        await undo()
      } catch (thrown) {
        errors.push(thrown)
      }
    }
    if (errors.length > 0) throw new AggregateError(errors, 'not all could be undone')
  }
}

/**
 * Runs the work, then undoes what it has started. A signal undoes it at once and ends the process.
 * @param undos default: new ones
 * @throws what the work throws
 */
export async function undoing<T>(work: (undos: Undos) => Promise<T>, undos = new Undos()): Promise<T> {
  let isStopped = false
  const stop = (): void => {
    isStopped = true
    const leave = (): never => process.exit(stoppedCode)
    void undos.close().then(leave, leave)
  }
  for (const signal of stopSignals) process.once(signal, stop)
  try {
    return await work(undos)
  } catch (thrown) {
    // The work fails when its servers end. Then the stop ends the process.
    if (isStopped) return await new Promise<never>(() => undefined)
    throw thrown
  } finally {
    for (const signal of stopSignals) process.removeListener(signal, stop)
    await undos.close()
  }
}
