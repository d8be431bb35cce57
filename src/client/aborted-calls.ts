// Why: who aborts a signal recognises the end of a call by the reason that they gave. How: whatever
// a call failed with, the reason of its aborted signal is thrown, as it is.
import type { CallSignal } from './file-system.ts'

/** @throws the reason of the signal when it is aborted, else what `act` throws */
export async function unlessAborted<T>(options: CallSignal | undefined, act: () => Promise<T>): Promise<T> {
  options?.signal?.throwIfAborted()
  try {
    return await act()
  } catch (thrown) {
    options?.signal?.throwIfAborted()
    throw thrown
  }
}

/** The same for each step of a sequence. */
export async function* eachUnlessAborted<T>(
  options: CallSignal | undefined,
  items: AsyncIterable<T>,
): AsyncGenerator<T, void, undefined> {
  options?.signal?.throwIfAborted()
  try {
    yield* items
  } catch (thrown) {
    options?.signal?.throwIfAborted()
    throw thrown
  }
}
