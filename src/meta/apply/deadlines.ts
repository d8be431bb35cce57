// Why: what a TTL ends, and which unfinished files are given up, is found without looking through
// the namespaces. How: an index ordered by time: an edge below a pseudo-directory whose name is the
// deadline and the inode's id, in digits of fixed width. An inode knows its own deadline, so the
// two always change together.
import { deadlineParentId, type Edge, type Inode, type Tables } from '../meta-tables.ts'

/** 10^16 ms are past the year 300,000, and ids are safe integers. */
const digits = 16

/** Keeps the index in step with an inode whose deadline changes; -1 = none. */
export function moveDeadline(tables: Tables, inodeId: number, fromMs: number, toMs: number): void {
  if (fromMs === toMs) return
  if (fromMs >= 0) tables.removeEdge(deadlineParentId, deadlineName(fromMs, inodeId))
  if (toMs >= 0) tables.putEdge(deadlineParentId, deadlineName(toMs, inodeId), inodeId)
}

/** To be called where the inode goes. */
export function forgetDeadline(tables: Tables, inode: Inode): void {
  moveDeadline(tables, inode.id, inode.expiresMs, -1)
}

/**
 * Ids of the inodes whose deadline is at or before `nowMs`, the oldest first, at most `limit`,
 * those up to `after` left out.
 */
export function dueDeadlines(tables: Tables, nowMs: number, limit: number, after = ''): Edge[] {
  const due: Edge[] = []
  const end = deadlineName(nowMs + 1, 0)
  for (const edge of tables.edges(deadlineParentId, after)) {
    if (edge.name >= end) break
    if (edge.name === after) continue
    due.push(edge)
    if (due.length >= limit) break
  }
  return due
}

function deadlineName(atMs: number, inodeId: number): string {
  return String(Math.trunc(atMs)).padStart(digits, '0') + String(inodeId).padStart(digits, '0')
}
