// Why: many small files go faster several at a time, and a tree may have millions. How: a few loops
// take from one iterator, so that no more is listed than is worked on.

/**
 * Calls `action` for every item, `parallel` at a time. After the first that throws no more are
 * begun, those that run are waited for, and its error is thrown.
 */
export async function eachInParallel<T>(
  items: AsyncGenerator<T, void, undefined>,
  parallel: number,
  action: (item: T) => Promise<void>,
): Promise<void> {
  const stop = new AbortController()
  const work = async (): Promise<void> => {
    try {
      while (!stop.signal.aborted) {
        const next = await items.next()
        if (next.done === true) return
        await action(next.value)
      }
    } catch (thrown) {
      stop.abort()
      throw thrown
    }
  }
  const ends = await Promise.allSettled(Array.from({ length: parallel }, work))
  await items.return()
  for (const end of ends) if (end.status === 'rejected') throw end.reason
}
