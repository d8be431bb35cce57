// Why: what is read through a node is the version that the node stands for, never another one. How:
// the file is opened, and compared with the node. When they differ one of the two is old: the
// kernel's look-up, or what the file system remembers. Then the master is asked; if the node is the
// old one, the kernel looks its name up again (ESTALE).
import type { FileHandle, FileSystem, OpenOptions } from '../../client/file-system.ts'
import { ErrnoError } from '../error-numbers.ts'
import type { OutagePatience } from '../outage-patience.ts'
import { isSameVersion, type Node, type NodeTable } from '../tree/node-table.ts'

export interface VersionOpeningParts {
  readonly files: Pick<FileSystem, 'open'>
  readonly nodes: Pick<NodeTable, 'pathOf' | 'child' | 'remove'>
  readonly patience: OutagePatience
  readonly onSource: NonNullable<OpenOptions['onSource']>
}

/** @throws ErrnoError ESTALE when the path has another version */
export async function openVersion(node: Node, signal: AbortSignal, parts: VersionOpeningParts): Promise<FileHandle> {
  const { files, nodes, patience, onSource } = parts
  const path = nodes.pathOf(node)
  // The kernel reads ahead, in requests of its own.
  const options = { readAhead: false, onSource, signal }
  const reading = await patience.run(signal, () => files.open(path, options))
  if (node.status === undefined || isSameVersion(node, reading.status)) return reading
  await reading.close()
  const now = await patience.run(signal, () => files.open(path, { ...options, maxAgeMs: 0 }))
  if (isSameVersion(node, now.status)) return now
  await now.close()
  if (node.parent !== undefined && nodes.child(node.parent, node.name) === node) nodes.remove(node.parent, node.name)
  throw new ErrnoError('ESTALE', `${path} was replaced`)
}
