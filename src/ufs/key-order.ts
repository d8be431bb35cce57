// Why: S3 sorts keys by their UTF-8 bytes. JavaScript's string order differs above U+FFFF.

/** A comparison function for sort: the order in which stores list keys. */
export function compareKeys(a: string, b: string): number {
  return a === b ? 0 : Buffer.compare(Buffer.from(a), Buffer.from(b))
}
