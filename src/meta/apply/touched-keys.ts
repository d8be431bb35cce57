// Why: what was changed here must outlive what a store said before: answers on their way, and what
// a load has put aside. How: each command that changes files by their users' will has the keys that
// it has to do with; pure, like the rest of the room.
import { assertNever } from '../../base/assert.ts'
import type { Command } from '../commands/commands.ts'
import { effectiveTtl } from './namespace-ttl.ts'
import { placeOf } from '../resolve-path.ts'
import type { FileInode, Tables } from '../meta-tables.ts'

/** What a change has to do with. */
export interface Touch {
  readonly namespaceId: string
  readonly keys: readonly string[]
  /** Directories with all below them; they end in `/`. */
  readonly prefixes: readonly string[]
  /** Looks at one object are not concerned. */
  readonly isOfPages?: boolean
}

const localChanges = ['remove_entries', 'detach', 'rename', 'expire', 'persist_files', 'complete_file'] as const

/** Commands that change files by their users' will. */
export type LocalChange = Extract<Command, { readonly type: (typeof localChanges)[number] }>

export function isLocalChange(command: Command): command is LocalChange {
  return localChanges.some((type) => type === command.type)
}

/** The keys of a command's files: where they are now, for those that it names by id. */
export function touchesOf(tables: Tables, command: LocalChange): Touch[] {
  switch (command.type) {
    case 'remove_entries': {
      const keys = [...command.files.map(({ key }) => key), ...command.directories]
      return [{ namespaceId: command.namespaceId, keys, prefixes: [] }]
    }
    case 'detach':
      return [{ namespaceId: command.namespaceId, keys: [], prefixes: [command.key] }]
    case 'rename': {
      const both = [command.from, command.to]
      const isFolder = command.from.endsWith('/')
      return [{ namespaceId: command.namespaceId, keys: isFolder ? [] : both, prefixes: isFolder ? both : [] }]
    }
    case 'expire':
      return placesOf(tables, command.inodeIds, (file) => effectiveTtl(tables, file).action === 'DELETE')
    case 'persist_files':
      return placesOf(
        tables,
        command.files.flatMap(({ fileId, etag }) => (etag === '' ? [] : [fileId])),
      )
    case 'complete_file': {
      const inode = tables.inode(command.fileId)
      return inode?.kind === 'pending' ? [{ namespaceId: inode.namespaceId, keys: [inode.key], prefixes: [] }] : []
    }
    default:
      return assertNever(command)
  }
}

function placesOf(
  tables: Tables,
  inodeIds: readonly number[],
  isMeant: (file: FileInode) => boolean = () => true,
): Touch[] {
  const keysOf = new Map<string, string[]>()
  for (const id of inodeIds) {
    const inode = tables.inode(id)
    const place = inode?.kind === 'file' && isMeant(inode) ? placeOf(tables, inode) : undefined
    if (place === undefined) continue
    const keys = keysOf.get(place.record.id) ?? []
    keys.push(place.key)
    keysOf.set(place.record.id, keys)
  }
  return [...keysOf].map(([namespaceId, keys]) => ({ namespaceId, keys, prefixes: [] }))
}
