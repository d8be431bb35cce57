// Why: S3 sorts keys by the bytes of their UTF-8; JavaScript's own order differs behind U+FFFF.

/** For sort: keys in the order in which stores list them. */
export function compareKeys(a: string, b: string): number {
  return a === b ? 0 : Buffer.compare(Buffer.from(a), Buffer.from(b))
}
