// Why: what a page of a listing says is the difference to what is known here, and a page of a store
// that has lost very much would stop the event loop. How: a page is held against the tables piece
// by piece; what is newer here than the page, and what the listing was blind for, stays. It reads
// the tables only, and keeps in mind the names that cannot be used (unusable-names.ts).
import { isHiddenKey, keyProblem } from '../../base/paths.ts'
import { diffPage, endOfPiece, type PageDiff, type PageFile, type PageRange } from '../../meta/apply/listing-diff.ts'
import { compareKeys } from '../../meta/edge-order.ts'
import type { NamespaceRecord } from '../../meta/meta-tables.ts'
import { directoryAt } from '../../meta/resolve-path.ts'
import type { ListPosition } from '../../ufs/under-file-system.ts'
import type { MasterContext } from '../master-context.ts'
import type { Inquiry } from '../state/inquiry.ts'
import type { FetchedPage } from './listing-prefetch.ts'
import { blockSizeOf } from './namespace-definition.ts'
import type { UnusableNames } from './unusable-names.ts'

/** Known names that are held against a listing at once. */
const knownPerPiece = 1200

interface Piece {
  readonly diff: PageDiff
  /** Undefined when this was all of the page. */
  readonly rest: { readonly after: ListPosition; readonly fetched: FetchedPage } | undefined
}

/** What a page of the direct children of a directory says. */
export interface ChildrenPage {
  readonly files: readonly PageFile[]
  /** Known children that the page does not show. */
  readonly absent: readonly string[]
  readonly directories: readonly { readonly key: string; readonly marker: boolean }[]
  /** Directories that are not known, and of which the page cannot tell any more. */
  readonly unsure: readonly string[]
}

export class PageComparison {
  readonly #context: Pick<MasterContext, 'tables' | 'options'>
  readonly #unusable: UnusableNames

  constructor(context: Pick<MasterContext, 'tables' | 'options'>, unusable: UnusableNames) {
    this.#context = context
    this.#unusable = unusable
  }

  /**
   * Keys that the first piece of a page would take away because the page leaves them out; not a
   * file `a/` that is a directory's marker there.
   */
  absent(record: NamespaceRecord, prefix: string, after: ListPosition | undefined, fetched: FetchedPage): string[] {
    const { removals, unmarked } = this.piece(record, prefix, after, fetched).diff
    return [...removals, ...unmarked].filter((key) => key !== '' && !isListed(key, fetched))
  }

  /**
   * Holds the beginning of a page against what is known, all of it where that is not too much.
   * @returns what is left too
   */
  piece(
    record: NamespaceRecord,
    prefix: string,
    after: ListPosition | undefined,
    fetched: FetchedPage,
    gone?: ReadonlySet<string>,
  ): Piece {
    const { tables } = this.#context
    const { page, inquiry } = fetched
    const directory = directoryAt(tables, record.rootId, prefix)
    const [afterKey, upToKey] = [after?.key, page.next?.key]
    this.#unusable.note(record, { prefix, afterKey, upToKey, isFlat: false }, page.objects)
    const range = {
      directory,
      prefix,
      afterKey,
      upToKey,
      ...newerThan(inquiry),
      covered: this.#covers(record),
    }
    const end = endOfPiece(tables, range, knownPerPiece)
    // A page out of order removes nothing and is not cut.
    const objects = end === undefined ? page.objects : page.objects.filter(({ key }) => compareKeys(key, end) <= 0)
    const isWhole = end === undefined || objects.some((object, index) => object !== page.objects[index])
    const blockSizeBytes = blockSizeOf(record, this.#context.options.blockSizeBytesDefault)
    const some = isWhole ? page.objects : objects
    const whole = diffPage(tables, record.rootId, some, isWhole ? range : { ...range, upToKey: end }, blockSizeBytes)
    const isGone = (key: string): boolean => gone?.has(key) !== false || key === '' || isListed(key, fetched)
    const diff = { ...whole, removals: whole.removals.filter(isGone), unmarked: whole.unmarked.filter(isGone) }
    if (isWhole) return { diff, rest: undefined }
    const left = { page: { ...page, objects: page.objects.slice(objects.length) }, inquiry }
    return { diff, rest: { after: { key: end, token: undefined }, fetched: left } }
  }

  /** Holds a page of a directory's direct children against what is known. */
  children(record: NamespaceRecord, prefix: string, afterKey: string | undefined, fetched: FetchedPage): ChildrenPage {
    const { tables, options } = this.#context
    const { page, inquiry } = fetched
    const upToKey = page.next?.key
    const noted = { prefix, afterKey, upToKey, isFlat: true, directories: page.prefixes }
    this.#unusable.note(record, noted, page.objects)
    const absent = this.childrenAbsent(record, prefix, afterKey, fetched)
    const range = { directory: undefined, prefix, afterKey, upToKey, ...newerThan(inquiry) }
    const blockSizeBytes = blockSizeOf(record, options.blockSizeBytesDefault)
    const { files, markers } = diffPage(tables, record.rootId, page.objects, range, blockSizeBytes)
    const usable = page.prefixes.filter(isUsable)
    const directories = [
      ...usable.filter((key) => !inquiry.isNewerKnownBelow(key)).map((key) => ({ key, marker: false })),
      ...markers.map((key) => ({ key, marker: true })),
    ]
    // A later answer about one thing in it does not say that there is nothing else.
    const isUnsure = (key: string): boolean => inquiry.isNewerKnownBelow(key) && !inquiry.isChangedBelow(key)
    const isUnknown = (key: string): boolean => directoryAt(tables, record.rootId, key) === undefined
    return { files, absent, directories, unsure: usable.filter((key) => isUnsure(key) && isUnknown(key)) }
  }

  /** Whether a listing says nothing of a key. */
  #covers(record: NamespaceRecord): (key: string) => boolean {
    const isUnusable = this.#unusable.covers(record)
    return (key) => isHiddenKey(key) || isUnusable?.(key) === true
  }

  /** Keys of known children in the page's range that the page does not show. */
  childrenAbsent(
    record: NamespaceRecord,
    prefix: string,
    afterKey: string | undefined,
    { page, inquiry }: FetchedPage,
  ): string[] {
    const { tables } = this.#context
    const present = new Set([...page.objects.map(({ key }) => key), ...page.prefixes])
    const directory = directoryAt(tables, record.rootId, prefix)
    const absent: string[] = []
    const isCovered = this.#covers(record)
    if (directory === undefined) return absent
    for (const { name, inodeId } of tables.edges(directory.id, afterKey?.slice(prefix.length) ?? '')) {
      const key = prefix + name
      if (page.next !== undefined && compareKeys(key, page.next.key) > 0) break
      // An object of the directory's own name that holds bytes is not told apart from its marker
      // here; whole listings do.
      if (name === '' || key === afterKey || present.has(key) || isCovered(key)) continue
      if (inquiry.isYounger(key, inodeId) || inquiry.isNewerKnown(key)) continue
      const inode = tables.inode(inodeId)
      if (inode?.kind !== 'file' || inode.persisted) absent.push(key)
    }
    return absent
  }
}

/** What is known here in spite of a page. */
function newerThan(inquiry: Inquiry): Pick<PageRange, 'changed' | 'isYounger'> {
  return { changed: inquiry.changed, isYounger: (key, inodeId) => inquiry.isYounger(key, inodeId) }
}

function isListed(key: string, { page }: FetchedPage): boolean {
  return key.endsWith('/') && page.objects.some((object) => object.key === key)
}

function isUsable(prefix: string): boolean {
  return keyProblem(prefix) === undefined && prefix.isWellFormed()
}
