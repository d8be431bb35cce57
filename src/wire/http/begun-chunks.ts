// Why: the error of a source can be reported unchanged only before the head of the response is
// sent. How: the first chunk is read in advance. From then on, the holder of the result must end
// the source, even if it takes no chunk.

/**
 * The same chunks, after the first one has arrived.
 * @throws the error of the first one; the source has ended then
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
