// Why: bytes that are read from a local file can be read straight into the memory of the caller.
// How: a source that can do so asks where the bytes belong, and yields that memory. All other
// chunks are copied to their place.

/** Memory of the reader for the bytes of a range. */
export interface ReadTarget {
  /** Where the bytes from this offset on belong: one byte at least. */
  at(offset: number): Uint8Array
}

/** A target for `into`, which is for the bytes from `offset` on. */
export function targetOf(into: Uint8Array, offset: number): ReadTarget {
  return { at: (position) => into.subarray(position - offset) }
}

/** Brings a chunk that belongs at `offset` to its place, unless it is there. */
export function place(chunk: Uint8Array, offset: number, target: ReadTarget): void {
  for (let done = 0; done < chunk.length;) {
    const memory = target.at(offset + done)
    if (done === 0 && memory.buffer === chunk.buffer && memory.byteOffset === chunk.byteOffset) return
    const part = chunk.subarray(done, done + memory.length)
    memory.set(part)
    done += part.length
  }
}
