// Why: at an object store a key `a` and keys below `a/` are independent; in a file system a name is
// a file or a directory. The tree can have both. How: both are written for who asks for objects,
// unless a store of files would have to take them; for others nothing is made below a file.
import { SkeinError } from '../../base/errors.ts'
import { isHiddenKey } from '../../base/paths.ts'
import type { NamespaceRecord, Tables } from '../../meta/meta-tables.ts'
import { directoryAt, fileAt } from '../../meta/resolve-path.ts'
import { namespacePolicy } from '../../ufs/store-options.ts'
import { parseStoreUri } from '../../ufs/store-uri.ts'
import type { StoreSync } from '../store/store-sync.ts'
import { pathOf } from '../master-context.ts'

/** Whether a file may be made beside a directory of its name, and the other way round. */
export function mayStandBeside({ uri, attributes }: NamespaceRecord, asObject: boolean | undefined): boolean {
  if (asObject !== true) return false
  return parseStoreUri(uri).kind !== 'file' || namespacePolicy(attributes).writePolicy === 'MUST_CACHE'
}

/**
 * The store is asked only before a refusal: it may have a directory of that name, too.
 * @throws SkeinError failed_precondition when the nearest entry above that is known is a file
 */
export async function checkNotBelowFile(
  { tables, sync }: { readonly tables: Tables; readonly sync: Pick<StoreSync, 'probeDirectory'> },
  record: NamespaceRecord,
  key: string,
  signal: AbortSignal,
): Promise<void> {
  if (isHiddenKey(key)) return
  const start = key.endsWith('/') ? key.length - 2 : key.length - 1
  for (let slash = key.lastIndexOf('/', start); slash > 0; slash = key.lastIndexOf('/', slash - 1)) {
    const above = key.slice(0, slash)
    if (directoryAt(tables, record.rootId, above) !== undefined) return
    if (fileAt(tables, record.rootId, above) === undefined) continue
    if ((await sync.probeDirectory(record, `${above}/`, signal)) !== undefined) return
    throw new SkeinError(
      'failed_precondition',
      `${pathOf(record, key)} cannot be written: ${pathOf(record, above)} is a file`,
    )
  }
}
