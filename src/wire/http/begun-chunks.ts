// Why: an error of a source is told as it is only before its bytes are promised. How: the first
// chunk is asked for ahead; from then on whoever has the result ends the source, also when it takes
// no chunk of it.

/**
 * The same chunks, once the first has come. @throws what the first one throws; the source has ended
 * then
 */
export async function begun(chunks: AsyncIterable<Uint8Array>): Promise<AsyncIterableIterator<Uint8Array>> {
  const source = chunks[Symbol.asyncIterator]()
  let first: IteratorResult<Uint8Array> | undefined = await source.next()
  const rest: AsyncIterableIterator<Uint8Array> = {
    next: () => {
      if (first === undefined) return source.next()
      const result = first
      first = undefined
      return Promise.resolve(result)
    },
    return: async () => {
      first = undefined
      await source.return?.()
      return { done: true, value: undefined }
    },
    [Symbol.asyncIterator]: () => rest,
  }
  return rest
}
