// Why: keys below `.skein/` are the doors' (base/paths.ts), so an object of the store with such a
// key cannot be a file: it would be mixed up with theirs. How: in each page of a listing such an
// object has a problem, as all that cannot be used has, and is named. Pure.
import { internalKeyPrefix, isHiddenKey } from '../../base/paths.ts'
import { compareKeys } from '../../meta/edge-order.ts'
import type { ListPage, ObjectInfo } from '../../ufs/under-file-system.ts'

const problem = `keys that begin with ${internalKeyPrefix} are reserved: rename the object at the store`

/** A page in which no object, and no directory, has a key of the doors without a problem. */
export function withHiddenNamed(page: ListPage): ListPage {
  const { objects, prefixes } = page
  if (!objects.some(({ key }) => isHiddenKey(key)) && !prefixes.some(isHiddenKey)) return page
  const folders = prefixes.filter(isHiddenKey).map((key) => unusable({ key, length: 0, etag: '', storageClass: '' }))
  const named = objects.map((object) => (isHiddenKey(object.key) ? unusable(object) : object))
  return {
    ...page,
    objects: [...named, ...folders].sort((one, other) => compareKeys(one.key, other.key)),
    prefixes: prefixes.filter((key) => !isHiddenKey(key)),
  }
}

function unusable(object: Omit<ObjectInfo, 'modifiedMs'> & { readonly modifiedMs?: number }): ObjectInfo {
  return { modifiedMs: 0, ...object, problem }
}
