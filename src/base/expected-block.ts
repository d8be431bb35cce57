// Why: a block that lies under the right id may still be another's: mixed up on a disk, copied from
// such a one, written by a writer that was wrong. How: what the master says of the file decides, in
// this one function, for every way that bytes of a block come by. A block that was written here has
// no ETag, whatever the store gave its file since; a move changes a file's key and leaves its
// blocks as they are, so that keys count only where nothing was ever moved.

/** What a block says of itself. */
interface SaidBlock {
  readonly namespaceId: string
  readonly key: string
  readonly etag: string
  readonly length: number
  readonly offset: number
}

export interface ExpectedBlock extends SaidBlock {
  /** The file, or one above it, may have been moved. */
  readonly keyMoved: boolean
}

/** What is wrong with a block that has the wanted id; undefined: it is the file's. */
export function wrongBlock(said: SaidBlock, expected: ExpectedBlock): string | undefined {
  if (said.namespaceId !== expected.namespaceId)
    return `it is of namespace ${said.namespaceId}, not ${expected.namespaceId}`
  if (said.length !== expected.length) return `it has ${said.length} bytes, not ${expected.length}`
  if (said.offset !== expected.offset) return `it begins at ${said.offset}, not ${expected.offset}`
  if (said.key !== expected.key && !expected.keyMoved) return `it is of '${said.key}', not '${expected.key}'`
  if (said.etag !== expected.etag && said.etag !== '') return `it is of version ${said.etag}, not ${expected.etag}`
  return undefined
}
