// Why: a block with the right id may still belong to another file: swapped on a disk, copied from
// such a block, or written by a faulty writer. How: every path on which the bytes of a block arrive
// calls this one function, which compares the block's metadata with that of the master. A block
// that was written here has no ETag, whatever ETag the store has assigned since. A move changes the
// key of a file but not its blocks, so keys are compared only if nothing was ever moved.

/** The metadata that is stored with a block. */
interface SaidBlock {
  readonly namespaceId: string
  readonly key: string
  readonly etag: string
  readonly length: number
  readonly offset: number
}

export interface ExpectedBlock extends SaidBlock {
  /** The file, or a directory above it, may have been moved. */
  readonly keyMoved: boolean
}

/** Why a block with the right id does not belong to the file; undefined when it does. */
export function wrongBlock(said: SaidBlock, expected: ExpectedBlock): string | undefined {
  if (said.namespaceId !== expected.namespaceId)
    return `its namespace is ${said.namespaceId}, not ${expected.namespaceId}`
  if (said.length !== expected.length) return `it has ${said.length} bytes, not ${expected.length}`
  if (said.offset !== expected.offset) return `its offset is ${said.offset}, not ${expected.offset}`
  if (said.key !== expected.key && !expected.keyMoved) return `its key is '${said.key}', not '${expected.key}'`
  if (said.etag !== expected.etag && said.etag !== '') return `its version is ${said.etag}, not ${expected.etag}`
  return undefined
}
