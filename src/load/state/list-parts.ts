// Why: a load may be of a list of paths, which is staged before it; its rows as data.

/** One line of a list (wire: IndexItem). */
export interface IndexItem {
  readonly path: string
  /** Not given: the load's. */
  readonly replication?: number | undefined
  /** Only this version. */
  readonly etag?: string | undefined
}

export interface IndexRecord {
  /** That all its paths are in. */
  readonly namespace: string
  readonly stagedMs: number
  /** Parts that are there. */
  readonly parts: number
  readonly lastPart: number
  readonly items: number
  /** Whether any item wants one version only. */
  readonly exact: boolean
  /** Loads that name it. */
  readonly loads: number
}
