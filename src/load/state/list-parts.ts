// Why: a load can use a list of paths, which is staged before it. How: the rows of such lists, as
// data.

/** One line of a list (wire: IndexItem). */
export interface IndexItem {
  readonly path: string
  /** Undefined: the replication of the load. */
  readonly replication?: number | undefined
  /** Only this version is loaded. */
  readonly etag?: string | undefined
}

export interface IndexRecord {
  /** The namespace of all its paths. */
  readonly namespace: string
  readonly stagedMs: number
  /** Number of parts received. */
  readonly parts: number
  readonly lastPart: number
  readonly items: number
  /** Whether any item names a version. */
  readonly exact: boolean
  /** Number of loads that name the list. */
  readonly loads: number
}
