// Why: what LMDB's trees take, in pages; its types leave it out.

/** Of one of LMDB's trees, as lmdb gives it; its types leave it out. */
export interface TreeStats {
  readonly pageSize: number
  readonly treeBranchPageCount: number
  readonly treeLeafPageCount: number
  readonly overflowPages: number
}

export const metaPages = 2

export function pagesOf({ treeBranchPageCount, treeLeafPageCount, overflowPages }: TreeStats): number {
  return treeBranchPageCount + treeLeafPageCount + overflowPages
}
