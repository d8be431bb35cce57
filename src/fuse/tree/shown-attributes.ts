// Why: what `stat` shows is decided in one place. How: from the status of a file and the options of
// the mount. Pure.
import { fileTimeOf } from '../../base/attributes/set-times.ts'
import type { NodeAttributes } from '../protocol/answers.ts'
import type { UserNames } from './known-users.ts'
import type { NodeStatus } from './node-table.ts'

export interface ShownOptions {
  /** Shown in place of every owner and group; undefined: by their names. */
  readonly userId: number | undefined
  readonly groupId: number | undefined
  /** Permission bits that nobody has. */
  readonly umask: number
  readonly users: UserNames
  /** Bytes that programs should read at a time. */
  readonly preferredBytes: number
}

/** Numbers of nodes that are shown for files without a number of their own. */
const nodeNumbersFrom = 2 ** 52

export function shownAttributes(nodeId: number, status: NodeStatus, options: ShownOptions): NodeAttributes {
  const { users, umask, preferredBytes } = options
  const changed = fileTimeOf(status.modifiedMs)
  const modified = status.times?.modified ?? changed
  return {
    inodeNumber: shownNumber(status, nodeId),
    kind: status.kind,
    mode: status.mode & 0o7777 & ~umask,
    sizeBytes: status.length,
    accessed: status.times?.accessed ?? modified,
    modified,
    changed,
    userId: options.userId ?? users.userId(status.owner),
    groupId: options.groupId ?? users.groupId(status.group),
    preferredBytes,
  }
}

export function shownNumber({ fileId }: Pick<NodeStatus, 'fileId'>, nodeId: number): number {
  return fileId > 0 ? fileId : nodeNumbersFrom + nodeId
}
