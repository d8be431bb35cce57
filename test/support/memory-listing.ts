// Why: the order and the limits of a listing are the hard part of the contract, so they are a
// function of their own. How: over the sorted keys of a namespace; directories that have no row are
// derived from the keys below them.
import type { Ownership } from '../../src/base/attributes/ownership.ts'
import type { SetTimes } from '../../src/base/attributes/set-times.ts'
import type { FileStatus, ListOptions } from '../../src/client/file-system.ts'
import { compareKeys } from '../../src/meta/edge-order.ts'

export interface MemoryNode {
  readonly kind: 'file' | 'directory'
  /** Below the namespace; a directory's ends in `/`. */
  readonly key: string
  readonly bytes: Uint8Array
  readonly fileId: number
  readonly etag: string
  readonly modifiedMs: number
  readonly contentType: string
  readonly userMetadata: Readonly<Record<string, string>>
  readonly clientMetadata: Readonly<Record<string, string>>
  readonly ownership: Ownership
  readonly times?: SetTimes
  readonly replicationMin: number
  readonly pinned?: boolean
  /** Only the store has its bytes. */
  readonly isFreed?: boolean
  readonly blockSizeBytes: number
  readonly ttl: { readonly ms: number; readonly action: 'FREE' | 'DELETE'; readonly setMs: number } | undefined
}

export interface ListedEntry {
  readonly key: string
  /** Undefined: a directory that is known by its entries only. */
  readonly node: MemoryNode | undefined
}

/** The index of the first node with this key or a greater one. */
export function firstAtOrAfter(nodes: readonly MemoryNode[], key: string): number {
  let [low, high] = [0, nodes.length]
  while (low < high) {
    const middle = (low + high) >>> 1
    if (compareKeys(nodes[middle]!.key, key) < 0) low = middle + 1
    else high = middle
  }
  return low
}

/** What a listing of a directory yields. @param directory empty, or ends in `/` */
export function listedEntries(
  nodes: readonly MemoryNode[],
  directory: string,
  { recursive = false, prefix = '', startAfter = '' }: ListOptions,
): ListedEntry[] {
  const entries: ListedEntry[] = []
  const seen = new Set<string>()
  for (let index = firstAtOrAfter(nodes, directory); index < nodes.length; index += 1) {
    const node = nodes[index]!
    if (!node.key.startsWith(directory)) break
    const below = node.key.slice(directory.length)
    for (let slash = below.indexOf('/'); slash >= 0; slash = below.indexOf('/', slash + 1)) {
      const name = below.slice(0, slash + 1)
      if (!seen.has(name)) {
        seen.add(name)
        const isOwn = node.key === directory + name && node.kind === 'directory'
        entries.push({ key: directory + name, node: isOwn ? node : undefined })
      }
      if (!recursive) break
    }
    const isDirect = !below.includes('/')
    if (node.kind === 'file' && (recursive || isDirect)) entries.push({ key: node.key, node })
  }
  return entries.filter(({ key }) => {
    const below = key.slice(directory.length)
    return below.startsWith(prefix) && (startAfter === '' || compareKeys(below, startAfter) > 0)
  })
}

/** In the order of the keys below `/`; of the namespaces and what is in them the range only. */
export function placedBelowRoot(
  ofRoot: readonly FileStatus[],
  ofNamespaces: readonly FileStatus[],
  { prefix, startAfter }: { readonly prefix: string; readonly startAfter: string },
): FileStatus[] {
  const keyOf = ({ path, kind }: FileStatus): string => path.slice(1) + (kind === 'directory' ? '/' : '')
  const shown = ofNamespaces.filter((status) => {
    const key = keyOf(status)
    return key.startsWith(prefix) && (startAfter === '' || compareKeys(key, startAfter) > 0)
  })
  return [...ofRoot, ...shown].toSorted((a, b) => compareKeys(keyOf(a), keyOf(b)))
}
