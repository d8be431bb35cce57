// Why: a small file that a program will open next costs it a round trip for its bytes, although
// they are in memory here already. How: they are given to the kernel before (FUSE_NOTIFY_STORE),
// as pages of the node, which stands for one version of the file; a program that opens it then
// reads without a call. Only for nodes that the kernel holds and nobody has open or writes. One at
// a time: the kernel may let it wait for a read of the same page, which needs other threads. The
// kernel does not say when it drops pages; a program's read of pages that it should have does.
import type { Clock } from '../../base/clock.ts'
import type { FileAhead } from '../../client/open/files-ahead.ts'
import type { Node, NodeTable } from '../tree/node-table.ts'
import type { UnfinishedFiles } from './unfinished-files.ts'

export interface PagesAheadParts {
  readonly nodes: Pick<NodeTable, 'child'>
  readonly unfinished: Pick<UnfinishedFiles, 'ofNode'>
  /** A file of so many bytes is read without the kernel's pages. */
  readonly directBytesMin: number
  /** Gives the kernel the bytes of a node. Resolves to whether it took them. */
  readonly store: (nodeId: number, bytes: Uint8Array) => Promise<boolean>
  /** Called with the bytes that the kernel took. */
  readonly onStored: (bytes: number) => void
  readonly clock: Pick<Clock, 'monotonicMs'>
}

interface Waiting {
  readonly parent: Node
  readonly file: FileAhead
  readonly bytes: Uint8Array
}

/** More are not worth it: programs would be there first. They are small files. */
const waitingMax = 128
/** After pages were missed, the kernel is not relied upon for this time. */
const missedMs = 5000

export class PagesAhead {
  readonly #parts: PagesAheadParts
  readonly #waiting: Waiting[] = []
  #storing: { readonly node: Node; readonly end: Promise<void> } | undefined
  #missedMs = Number.NEGATIVE_INFINITY

  constructor(parts: PagesAheadParts) {
    this.#parts = parts
  }

  /** Takes the whole content of a version of a file. Does not wait. */
  give(parent: Node, file: FileAhead, bytes: Uint8Array): void {
    if (this.#waiting.length >= waitingMax) return
    this.#waiting.push({ parent, file, bytes })
    if (this.#storing === undefined) this.#next()
  }

  /** Whether the kernel should have the pages of a version of a file. */
  has(parent: Node, { name, fileId }: FileAhead): boolean {
    if (this.#isUnsure()) return false
    const node = this.#parts.nodes.child(parent, name)
    return node !== undefined && node.pagesOf === fileId && node.status?.fileId === fileId
  }

  /** The kernel asked for pages that it should have. */
  missed(): void {
    this.#missedMs = this.#parts.clock.monotonicMs()
  }

  /**
   * Resolves when no bytes of the node are on their way to the kernel. A node is written only
   * behind this: pages of the version before would come to those of the next one.
   */
  async settled(node: Node): Promise<void> {
    if (this.#storing?.node === node) await this.#storing.end
  }

  #next(): void {
    for (let next = this.#waiting.shift(); next !== undefined; next = this.#waiting.shift()) {
      const node = this.#wantedNode(next)
      if (node === undefined) continue
      node.pagesOf = next.file.fileId
      this.#storing = { node, end: this.#store(node, next.bytes) }
      return
    }
  }

  async #store(node: Node, bytes: Uint8Array): Promise<void> {
    const isTaken = await this.#parts.store(node.id, bytes)
    if (isTaken) this.#parts.onStored(bytes.length)
    this.#storing = undefined
    this.#next()
  }

  /** The node of this version, if its pages are not at the kernel and are wanted there. */
  #wantedNode({ parent, file: { name, fileId, length }, bytes }: Waiting): Node | undefined {
    const { nodes, unfinished, directBytesMin } = this.#parts
    const node = nodes.child(parent, name)
    if (node === undefined || node.kind !== 'file' || node.lookUps === 0 || node.users > 0) return undefined
    if (node.status?.fileId !== fileId) return undefined
    // Pages of another version go when it is opened; until then nothing is added to them.
    if (node.pagesOf !== undefined && !(node.pagesOf === fileId && this.#isUnsure())) return undefined
    const isWhole = bytes.length === length && node.status.length === length
    if (!isWhole || length === 0 || length >= directBytesMin) return undefined
    return unfinished.ofNode(node) === undefined ? node : undefined
  }

  #isUnsure(): boolean {
    return this.#parts.clock.monotonicMs() - this.#missedMs < missedMs
  }
}
