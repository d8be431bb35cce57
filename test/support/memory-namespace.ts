// Why: the nodes of one namespace are found, put and removed by their keys. How: a sorted list; a
// file whose TTL (DELETE) is over is not there.
import type { Clock } from '../../src/base/clock.ts'
import { SkeinError } from '../../src/base/errors.ts'
import type { DeleteOptions } from '../../src/client/file-system.ts'
import { firstAtOrAfter, type MemoryNode } from './memory-listing.ts'

export class MemoryNamespace {
  readonly name: string
  readonly readOnly: boolean
  readonly #clock: Pick<Clock, 'nowMs'>
  /** In the order of the keys' UTF-8 bytes. The key of a directory ends in `/`. */
  readonly #nodes: MemoryNode[] = []

  constructor(name: string, readOnly: boolean, clock: Pick<Clock, 'nowMs'>) {
    this.name = name
    this.readOnly = readOnly
    this.#clock = clock
  }

  live(): MemoryNode[] {
    const nowMs = this.#clock.nowMs()
    return this.#nodes.filter(({ ttl }) => ttl?.action !== 'DELETE' || ttl.setMs + ttl.ms > nowMs)
  }

  nodeAt(key: string): MemoryNode | undefined {
    const nodes = this.live()
    const node = nodes[firstAtOrAfter(nodes, key)]
    return node?.key === key ? node : undefined
  }

  fileAt(key: string): MemoryNode | undefined {
    const node = this.nodeAt(key)
    return node?.kind === 'file' ? node : undefined
  }

  /** All nodes below a directory's key, its own included. @param key empty: all */
  below(key: string): MemoryNode[] {
    const prefix = key === '' || key.endsWith('/') ? key : `${key}/`
    return this.live().filter((node) => node.key.startsWith(prefix))
  }

  put(node: MemoryNode): void {
    const index = firstAtOrAfter(this.#nodes, node.key)
    this.#nodes.splice(index, this.#nodes[index]?.key === node.key ? 1 : 0, node)
  }

  remove(key: string): void {
    const index = firstAtOrAfter(this.#nodes, key)
    if (this.#nodes[index]?.key === key) this.#nodes.splice(index, 1)
  }

  checkWritable(): void {
    if (this.readOnly)
      throw new SkeinError('failed_precondition', `namespace ${this.name} is read-only`, { reason: 'read_only' })
  }

  checkNotBelowFile(key: string): void {
    for (let slash = key.lastIndexOf('/', key.length - 2); slash > 0; slash = key.lastIndexOf('/', slash - 1)) {
      if (this.below(key.slice(0, slash + 1)).length > 0) return
      if (this.fileAt(key.slice(0, slash)) !== undefined)
        throw new SkeinError('failed_precondition', `${key.slice(0, slash)} is a file`)
    }
  }
}

/** @param file undefined: a directory */
export function checkNamed(path: string, file: MemoryNode | undefined, { kind, ifFileId }: DeleteOptions): void {
  if (kind === 'file' && file === undefined)
    throw new SkeinError('failed_precondition', `${path} is a directory`, { reason: 'is_directory' })
  if (kind === 'directory' && file !== undefined)
    throw new SkeinError('failed_precondition', `${path} is a file`, { reason: 'is_file' })
  if (ifFileId !== undefined && file?.fileId !== ifFileId)
    throw new SkeinError('aborted', `${path} was changed`, { reason: 'file_changed', retryable: false })
}
