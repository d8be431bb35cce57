// Why: a file that is being written is in no listing of the cluster, but the program that writes it
// looks at it, renames it and reads it. How: the files that are being written, by the node that
// the kernel has for them; their size so far is shown, and whoever needs the file itself has it
// completed first.
import type { FileStatus } from '../../client/file-system.ts'
import type { Node, NodeTable } from '../tree/node-table.ts'
import type { WrittenFile } from './written-file.ts'

export type Draft = Pick<FileStatus, 'owner' | 'group' | 'mode' | 'times'>

export interface Unfinished {
  readonly node: Node
  readonly file: WrittenFile
  /** What it will look like. */
  readonly draft: Draft
  /** Handles that can write it. */
  writers: number
}

/** What was set while the file was being written; undefined: nothing. */
export function changesOf(given: Draft, draft: Draft): Partial<Draft> | undefined {
  const { owner, group, mode, times } = draft
  const isOwned = owner !== given.owner || group !== given.group || mode !== given.mode
  if (!isOwned && times === given.times) return undefined
  return { ...(isOwned && { owner, group, mode }), ...(times !== given.times && times && { times }) }
}

export class UnfinishedFiles {
  readonly #nodes: Pick<NodeTable, 'pathOf'>
  readonly #byPath = new Map<string, Unfinished>()

  constructor(nodes: Pick<NodeTable, 'pathOf'>) {
    this.#nodes = nodes
  }

  get size(): number {
    return this.#byPath.size
  }

  add(unfinished: Unfinished): void {
    this.#byPath.set(unfinished.file.path, unfinished)
  }

  /** The file at a path is complete, or is nobody's any more. */
  remove(unfinished: Unfinished): void {
    if (this.#byPath.get(unfinished.file.path) === unfinished) this.#byPath.delete(unfinished.file.path)
  }

  at(path: string): Unfinished | undefined {
    return this.#byPath.get(path)
  }

  ofNode(node: Node): Unfinished | undefined {
    if (node.kind !== 'file' || this.#byPath.size === 0) return undefined
    const unfinished = this.#byPath.get(this.#nodes.pathOf(node))
    return unfinished?.node === node ? unfinished : undefined
  }

  /** Files that are directly in a directory. @param directory ends in `/` */
  in(directory: string): { readonly name: string }[] {
    return [...this.#byPath.keys()]
      .filter((path) => path.startsWith(directory) && !path.slice(directory.length).includes('/'))
      .map((path) => ({ name: path.slice(directory.length) }))
  }

  /** Whether one is anywhere below a directory. @param directory ends in `/` */
  hasBelow(directory: string): boolean {
    return [...this.#byPath.keys()].some((path) => path.startsWith(directory))
  }

  all(): Unfinished[] {
    return [...this.#byPath.values()]
  }

  /** What `stat` shows of a file that is being written. */
  statusOf({ node, file, draft }: Unfinished): FileStatus {
    return {
      ...{
        path: file.path,
        name: node.name,
        kind: 'file',
        length: file.length,
        blockSizeBytes: 0,
        fileId: 0,
        etag: '',
      },
      ...{ ...draft, contentType: '', userMetadata: {}, createdMs: file.createdMs, modifiedMs: file.createdMs },
      ...{ persistence: 'not_persisted', cachedBytes: 0, pinned: false, replicationMin: 0, replicationMax: undefined },
      ...{ ttl: undefined, isMountPoint: false, isExplicit: true },
    }
  }
}
