// Why: listings, counts and comparisons with the store go through a tree in the order of its keys
// and can stop and go on anywhere. How: depth first over ordered edges; because a directory's name
// ends in `/`, that is the order of the keys.
import { directoryNames, fileNames } from '../base/paths.ts'
import type { Edge, Tables } from './meta-tables.ts'

/** A place in a walk. A directory `a/` comes just before an object `a/` that holds bytes. */
export interface WalkPosition {
  readonly key: string
  readonly folder: boolean
  /** Begin with this place itself, not behind it. */
  readonly included?: true
}

export interface WalkEntry extends WalkPosition {
  readonly inodeId: number
}

interface Level {
  readonly prefix: string
  readonly edges: Iterator<Edge>
  /** Edges up to this name (inclusive when it is a file) are behind the position. */
  readonly skipName: string | undefined
}

/**
 * Everything below a directory in key order, the directory itself not included. Leave it or end it
 * within one turn of the event loop, and do not write meanwhile.
 * @param prefix the directory's key (empty, or ends in `/`)
 * @param after go on behind this place, which need not exist; undefined from the start
 */
export function* walk(
  tables: Tables,
  directoryId: number,
  prefix: string,
  after: WalkPosition | undefined,
): Generator<WalkEntry> {
  const levels: Level[] = []
  const open = (id: number, levelPrefix: string, from: string, skipName: string | undefined): void => {
    levels.push({ prefix: levelPrefix, edges: tables.edges(id, from)[Symbol.iterator](), skipName })
  }
  try {
    openAt(tables, directoryId, prefix, after, open)
    for (let level = levels.at(-1); level !== undefined; level = levels.at(-1)) {
      const step = level.edges.next()
      if (step.done === true) {
        levels.pop()
        continue
      }
      const { name, inodeId } = step.value
      if (name === level.skipName) continue
      const key = level.prefix + name
      const folder = name.endsWith('/')
      yield { key, folder, inodeId }
      if (folder) open(inodeId, key, '', undefined)
    }
  } finally {
    for (const level of levels) level.edges.return?.()
  }
}

/** Opens the levels that lead to `after`, each just behind the name that was taken there. */
function openAt(
  tables: Tables,
  directoryId: number,
  prefix: string,
  after: WalkPosition | undefined,
  open: (id: number, prefix: string, from: string, skipName: string | undefined) => void,
): void {
  if (after === undefined || !after.key.startsWith(prefix) || after.key === prefix) {
    // Behind an object that has the directory's own key (a file without a name), or from the start.
    const nameless = after !== undefined && after.key === prefix && !after.folder
    open(directoryId, prefix, '', nameless ? '' : undefined)
    return
  }
  const rest = after.key.slice(prefix.length)
  const names = after.folder ? directoryNames(rest) : fileNames(rest)
  let id: number | undefined = directoryId
  let at = prefix
  for (const [index, name] of names.entries()) {
    const isIncluded = after.included === true && index === names.length - 1
    open(id, at, name, isIncluded ? undefined : name)
    if (isIncluded || !name.endsWith('/')) return
    id = tables.edge(id, name)
    at += name
    if (id === undefined) return
  }
  open(id, at, '', undefined)
}
