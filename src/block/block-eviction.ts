// Why: a store that evicts blocks to make room must know which blocks others rely on. How: a
// contract beside block-store.ts. Only stores that evict implement it.

/** Protects blocks from eviction. Kept in memory only. */
export interface BlockEviction {
  /**
   * A pinned block is neither moved nor deleted to make room; free and corruption still remove it.
   * May be called before the block is there.
   */
  setPinned(blockId: number, pinned: boolean): void
  /**
   * The loads that run. Undefined, as at the start: not known, so all loads are taken to run. The
   * list says nothing about load `L<before>` and later ones.
   */
  setRunningLoads(loadIds: Iterable<string> | undefined, before?: number): void
  /**
   * A load has found the block here: while that load runs, the block is not deleted to make room.
   * @returns whether the block is here
   */
  hold(blockId: number, loadId: string): boolean
}
