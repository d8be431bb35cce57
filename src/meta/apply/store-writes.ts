// Why: a worker that writes a file to the store may be cut off, or its master may, and what it sent
// may arrive long after: the next master must know where. How: a key of a namespace is written down
// before a worker is told of it, and until it is known what came of that. Pure, like the rest of
// the room.
import type { Applied } from '../commands/commands.ts'
import type { BeginWrite, EndWrite } from '../commands/lifecycle-commands.ts'
import { done } from '../commands/outcomes.ts'
import { placeOf } from '../resolve-path.ts'
import { type NamedInode, type Tables, writingParentId } from '../meta-tables.ts'

/** An object that may be written, or may still arrive. */
export interface StoreWrite {
  readonly namespaceId: string
  readonly key: string
  readonly fileId: number
}

export function beginWrite(tables: Tables, { namespaceId, key, fileId }: BeginWrite): Applied {
  if (tables.edge(writingParentId, nameOf(namespaceId, key)) === fileId) return done(0)
  tables.putEdge(writingParentId, nameOf(namespaceId, key), fileId)
  return done(1)
}

export function endWrite(tables: Tables, { namespaceId, key }: EndWrite): Applied {
  if (tables.edge(writingParentId, nameOf(namespaceId, key)) === undefined) return done(0)
  tables.removeEdge(writingParentId, nameOf(namespaceId, key))
  return done(1)
}

/** What was written for this file is known. */
export function forgetWrite(tables: Tables, file: NamedInode): void {
  const place = placeOf(tables, file)
  if (place !== undefined) forgetWriteOf(tables, place.record.id, place.key)
}

export function forgetWriteOf(tables: Tables, namespaceId: string, key: string): void {
  const name = nameOf(namespaceId, key)
  if (tables.edge(writingParentId, name) !== undefined) tables.removeEdge(writingParentId, name)
}

/**
 * @param below the key itself or, where it is empty or ends in `/`, all below it; undefined: of all
 *   namespaces
 */
export function* storeWrites(
  tables: Tables,
  below?: { readonly namespaceId: string; readonly key: string },
): Generator<StoreWrite> {
  const prefix = below === undefined ? '' : nameOf(below.namespaceId, below.key)
  const isDirectory = below === undefined || below.key === '' || below.key.endsWith('/')
  for (const { name, inodeId } of tables.edges(writingParentId, prefix)) {
    if (isDirectory ? !name.startsWith(prefix) : name !== prefix) return
    const slash = name.indexOf('/')
    yield { namespaceId: name.slice(0, slash), key: name.slice(slash + 1), fileId: inodeId }
  }
}

function nameOf(namespaceId: string, key: string): string {
  return `${namespaceId}/${key}`
}
