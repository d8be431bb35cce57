// Why: the size of LMDB's trees in pages, which its types do not declare.

/** The statistics of a tree, which the types of lmdb do not declare. */
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
