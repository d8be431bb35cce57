// Why: a listing of S3 is a sequence of keys and of common prefixes, in the order of UTF-8 bytes,
// that can begin anywhere. How: with the delimiter `/`, the entries of one directory are the
// sequence; with another one, or none, everything below is read, and what a common prefix stands
// for is jumped over. A directory is a key of its own only if a user made it. Items come in groups,
// a page of the file system each: a step of an asynchronous loop costs more than an item.
import { isSkeinError } from '../../../base/errors.ts'
import { formatPath, keyBytesMax, keyProblem } from '../../../base/paths.ts'
import type { FileStatus, FileSystem, ListOptions } from '../../../client/file-system.ts'
import { type ListedObject, listedObjectOf } from '../objects/object-view.ts'
import type { ListPlace } from './continuation-token.ts'

/** A key with its object, or a common prefix. */
export type ListItem = { readonly key: string; readonly object: ListedObject } | { readonly prefix: string }

export interface ListedRange {
  readonly bucket: string
  readonly prefix: string
  /** Empty: none. */
  readonly delimiter: string
  /** Undefined: from the start. */
  readonly place: ListPlace | undefined
  /** How many items are wanted, about. */
  readonly pageSize: number
  readonly signal: AbortSignal
}

/** Behind every key that begins with the text before it. */
const lastCharacter = '\u{10ffff}'

/**
 * The items of a bucket that exists, in the order of UTF-8 bytes, in groups; a directory that does
 * not exist has none.
 * @throws SkeinError not_found if the bucket does not exist, and errors of the file system
 */
export async function* objectItems(
  fileSystem: FileSystem,
  range: ListedRange,
): AsyncGenerator<readonly ListItem[], void, undefined> {
  const directory = range.prefix.slice(0, range.prefix.lastIndexOf('/') + 1)
  if (keyProblem(directory) !== undefined || Buffer.byteLength(range.prefix) > keyBytesMax) return
  if (isBehind(directory, range.place)) return
  const start = startBelow(directory, range.place)
  const scan = new Scan(fileSystem, range, directory, start !== undefined)
  try {
    if (start === undefined && range.prefix === directory) yield* scan.own()
    yield* range.delimiter === '/' ? scan.direct(start) : scan.flat(start)
  } catch (thrown) {
    if (!isSkeinError(thrown, 'not_found')) throw thrown
    // The directory is not there, or the bucket.
    await fileSystem.stat(formatPath({ namespace: range.bucket, key: '' }), { signal: range.signal })
  }
}

/** Whether all keys of a directory are before the place. */
function isBehind(directory: string, place: ListPlace | undefined): boolean {
  if (place === undefined || place.after.startsWith(directory)) return false
  return Buffer.compare(Buffer.from(place.after), Buffer.from(directory)) > 0
}

/** Where to begin below a directory; undefined: at its start, with its own key. */
function startBelow(directory: string, place: ListPlace | undefined): string | undefined {
  if (place === undefined || place.after === '' || !place.after.startsWith(directory)) return undefined
  return place.after.slice(directory.length)
}

class Scan {
  readonly #fileSystem: FileSystem
  readonly #range: ListedRange
  readonly #directory: string
  /** What is left of the prefix below the directory. */
  readonly #rest: string
  /**
   * The object `dir/` was given out, now or before. A directory and an object with bytes can have
   * this name.
   */
  #hasOwn: boolean

  constructor(fileSystem: FileSystem, range: ListedRange, directory: string, hasOwn: boolean) {
    this.#hasOwn = hasOwn
    this.#fileSystem = fileSystem
    this.#range = range
    this.#directory = directory
    this.#rest = range.prefix.slice(directory.length)
  }

  /** The object `dir/` of the directory itself. */
  async *own(): AsyncGenerator<readonly ListItem[]> {
    if (this.#directory === '') return
    const status = await this.#fileSystem.stat(this.#path(this.#directory), { signal: this.#range.signal })
    if (status.kind !== 'directory' || !status.isExplicit) return
    this.#hasOwn = true
    yield [{ key: this.#directory, object: listedObjectOf(status) }]
  }

  /** @param start undefined, or a key below the directory */
  async *direct(start: string | undefined): AsyncGenerator<readonly ListItem[]> {
    // Behind a key in a directory: the directory itself comes if something in it does.
    const within = start?.slice(0, start.indexOf('/') + 1) ?? ''
    const isInside = within !== '' && this.#passed() === undefined && within.startsWith(this.#rest)
    if (isInside && (await this.#hasKeyBehind(within, start?.slice(within.length) ?? '')))
      yield [{ prefix: this.#directory + within }]
    for await (const page of this.#pages('', { ...startAfter(start), prefix: this.#rest })) {
      const items: ListItem[] = []
      for (const entry of page) {
        const key = this.#keyOf(entry)
        if (entry.kind === 'directory') items.push({ prefix: key })
        else if (key !== this.#directory || !this.#hasOwn) items.push({ key, object: listedObjectOf(entry) })
      }
      yield items
    }
  }

  /** @param start undefined, or a key below the directory */
  async *flat(start: string | undefined): AsyncGenerator<readonly ListItem[]> {
    const { prefix, delimiter } = this.#range
    let passed = this.#passed()
    let from = passed === undefined ? start : passed.slice(this.#directory.length) + lastCharacter
    for (let goesOn = true; goesOn;) {
      goesOn = false
      let skipped = 0
      const options = { ...startAfter(from), prefix: this.#rest, recursive: true, withImplied: false }
      for await (const page of this.#pages('', options)) {
        const items: ListItem[] = []
        for (const entry of page) {
          const key = this.#keyOf(entry)
          if (passed !== undefined && key.startsWith(passed)) {
            skipped += 1
            if (skipped < this.#range.pageSize) continue
            from = passed.slice(this.#directory.length) + lastCharacter
            goesOn = true
            break
          }
          if (!isObject(entry) || (key === this.#directory && this.#hasOwn)) continue
          const end = delimiter === '' ? -1 : key.indexOf(delimiter, prefix.length)
          if (end < 0) {
            items.push({ key, object: listedObjectOf(entry) })
            continue
          }
          passed = key.slice(0, end + delimiter.length)
          skipped = 0
          items.push({ prefix: passed })
        }
        yield items
        if (goesOn) break
      }
    }
  }

  /** The common prefix that was given out last. */
  #passed(): string | undefined {
    const { prefix, delimiter, place } = this.#range
    if (place?.isPrefix !== true || delimiter === '') return undefined
    const end = place.after.indexOf(delimiter, prefix.length) + delimiter.length
    return place.after.startsWith(prefix) && end === place.after.length ? place.after : undefined
  }

  async #hasKeyBehind(below: string, start: string): Promise<boolean> {
    try {
      for await (const page of this.#pages(below, { ...startAfter(start), recursive: true, withImplied: false }))
        if (page.some(isObject)) return true
    } catch (thrown) {
      if (!isSkeinError(thrown, 'not_found')) throw thrown
    }
    return false
  }

  #pages(below: string, options: ListOptions): AsyncIterable<readonly FileStatus[]> {
    const { signal, pageSize } = this.#range
    return this.#fileSystem.list(this.#path(this.#directory + below), { ...options, pageSize, signal })
  }

  #path(key: string): string {
    return formatPath({ namespace: this.#range.bucket, key })
  }

  #keyOf({ path, kind }: FileStatus): string {
    const key = path.slice(this.#range.bucket.length + 2)
    return kind === 'directory' && !key.endsWith('/') ? `${key}/` : key
  }
}

function startAfter(start: string | undefined): Pick<ListOptions, 'startAfter'> {
  return start === undefined || start === '' ? {} : { startAfter: start }
}

/** Whether an entry is a key of its own. */
function isObject({ kind, isExplicit }: FileStatus): boolean {
  return kind === 'file' || isExplicit
}
