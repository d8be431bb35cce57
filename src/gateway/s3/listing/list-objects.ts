// Why: a page of a listing says whether more follows, and where. How: one item more than wanted is
// read. The place behind the last item is the token of the next page.
import type { FileSystem } from '../../../client/file-system.ts'
import type { ListPlace } from './continuation-token.ts'
import { type ListedRange, type ListItem, objectItems } from './object-items.ts'

export interface ObjectPage {
  readonly items: readonly ListItem[]
  /** Undefined: nothing follows. */
  readonly next: ListPlace | undefined
}

/** S3's page of a thousand, and the one item that shows whether more follow. */
const entriesPerPageMax = 1001

/** @throws errors of objectItems */
export async function listObjects(
  fileSystem: FileSystem,
  range: Omit<ListedRange, 'pageSize'>,
  maxKeys: number,
): Promise<ObjectPage> {
  const items: ListItem[] = []
  if (maxKeys === 0) return { items, next: undefined }
  const pageSize = Math.min(entriesPerPageMax, maxKeys + 1)
  for await (const group of objectItems(fileSystem, { ...range, pageSize })) {
    for (const item of group) {
      if (items.length === maxKeys) return { items, next: placeBehind(items.at(-1)) }
      items.push(item)
    }
  }
  return { items, next: undefined }
}

function placeBehind(item: ListItem | undefined): ListPlace | undefined {
  if (item === undefined) return undefined
  return 'prefix' in item ? { after: item.prefix, isPrefix: true } : { after: item.key, isPrefix: false }
}
