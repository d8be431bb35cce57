// Why: the reads of one opened file learn from each other which workers answer, and which blocks
// were read whole. How: a record that they share. Pure.

/** What the reads of one opened file remember for the next ones. */
export interface ReadMemory {
  /** They are asked after the other workers. */
  readonly failedWorkers: Set<string>
  /** They did not answer, which takes seconds: they are asked after the store. */
  readonly silentWorkers: Set<string>
  /** Bytes that came from workers, by block. */
  readonly bytesOf: Map<number, number>
  /** Whether bytes came from the store. */
  wasStoreRead: boolean
}

export function newReadMemory(): ReadMemory {
  return { failedWorkers: new Set(), silentWorkers: new Set(), bytesOf: new Map(), wasStoreRead: false }
}

/** Whether all bytes of a block were read since the file was opened. True once per block. */
export function wasReadWhole({ bytesOf }: ReadMemory, index: number, bytes: number, blockBytes: number): boolean {
  const before = bytesOf.get(index) ?? 0
  bytesOf.set(index, before + bytes)
  return before < blockBytes && before + bytes >= blockBytes
}
