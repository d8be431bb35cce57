// Why: what a store has and cannot give as an object (a directory's odd names, links, what may not
// be looked at) is no file here, yet everybody who lists must name it, and nothing that is known at
// or below it may go because a listing was blind there. How: what the last listings said, by
// namespace and key, in memory: a directory with such a name counts as not listed, so that the next
// one to list it, also after a restart, asks the store again.
import { formatPath } from '../../base/paths.ts'
import type { UnusablePaths } from '../../wire/generated/master.ts'
import { compareKeys } from '../../meta/edge-order.ts'
import type { ShownObject } from '../../meta/commands/listed-object.ts'
import type { NamespaceRecord } from '../../meta/meta-tables.ts'

export interface UnusableName {
  readonly key: string
  readonly reason: string
}

/** The part of the keys that a page speaks of. */
export interface NotedRange {
  readonly prefix: string
  readonly afterKey: string | undefined
  /** Included; undefined to the end. */
  readonly upToKey: string | undefined
  /**
   * Only keys without a `/` behind the prefix; then the directories among them were not looked
   * into.
   */
  readonly isFlat: boolean
  readonly directories?: readonly string[]
}

/** Names that are kept of one namespace; beyond, its listings remove nothing. */
const namesMax = 10_000

interface Names {
  readonly reasons: Map<string, string>
  isFull: boolean
}

export class UnusableNames {
  readonly #names = new Map<string, Names>()

  /** Takes what a page says of its range in place of what was said before. */
  note({ id }: NamespaceRecord, range: NotedRange, objects: readonly ShownObject[]): void {
    const known = this.#names.get(id)
    const unusable = objects.filter(({ problem }) => problem !== undefined)
    if (known === undefined && unusable.length === 0) return
    const names = known ?? { reasons: new Map<string, string>(), isFull: false }
    this.#names.set(id, names)
    if (range.prefix === '' && range.afterKey === undefined && !range.isFlat) names.isFull = false
    const unseen = new Set(range.directories)
    for (const key of names.reasons.keys()) if (isIn(key, range) && !unseen.has(key)) names.reasons.delete(key)
    for (const { key, problem = '' } of unusable) {
      if (names.reasons.size < namesMax) names.reasons.set(key, problem)
      else names.isFull = true
    }
    if (names.reasons.size === 0 && !names.isFull) this.#names.delete(id)
  }

  /** Whether a listing says nothing of a key; undefined while every listing does. */
  covers({ id }: NamespaceRecord): ((key: string) => boolean) | undefined {
    const names = this.#names.get(id)
    if (names === undefined) return undefined
    const { reasons, isFull } = names
    return (key) => {
      if (isFull || reasons.has(key)) return true
      for (let slash = key.indexOf('/'); slash >= 0; slash = key.indexOf('/', slash + 1))
        if (reasons.has(key.slice(0, slash)) || reasons.has(key.slice(0, slash + 1))) return true
      return false
    }
  }

  /** Those below a directory (empty, or ending in `/`), and their number. */
  below(
    { id }: NamespaceRecord,
    prefix: string,
    isRecursive: boolean,
    limit: number,
  ): { readonly names: UnusableName[]; total: number } {
    const range = { prefix, afterKey: undefined, upToKey: undefined, isFlat: !isRecursive }
    const found = [...(this.#names.get(id)?.reasons ?? [])].filter(([key]) => isIn(key, range))
    const names = found.slice(0, limit).map(([key, reason]) => ({ key, reason }))
    return { names, total: found.length }
  }
}

/** Paths that an answer names. */
const namedPathsMax = 1000

/** For an answer; undefined when there are none. */
export function unusablePaths(
  record: NamespaceRecord,
  { unusable }: { readonly unusable: UnusableNames },
  prefix: string,
  isRecursive: boolean,
): UnusablePaths | undefined {
  const { names, total } = unusable.below(record, prefix, isRecursive, namedPathsMax)
  if (total === 0) return undefined
  return {
    paths: names.map(({ key, reason }) => ({ path: formatPath({ namespace: record.name, key }), reason })),
    total,
  }
}

export function mergeUnusable(
  one: UnusablePaths | undefined,
  other: UnusablePaths | undefined,
): UnusablePaths | undefined {
  if (one === undefined || other === undefined) return one ?? other
  return { paths: [...one.paths, ...other.paths].slice(0, namedPathsMax), total: one.total + other.total }
}

function isIn(key: string, { prefix, afterKey, upToKey, isFlat }: NotedRange): boolean {
  if (!key.startsWith(prefix)) return false
  if (isFlat && key.slice(prefix.length, -1).includes('/')) return false
  if (afterKey !== undefined && compareKeys(key, afterKey) <= 0) return false
  return upToKey === undefined || compareKeys(key, upToKey) <= 0
}
