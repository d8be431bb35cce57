// Why: the kernel reads a directory in pieces of its own size, from places that it was told, and a
// directory may have a million entries. How: pages of the listing are asked for as they are needed;
// the last two are kept, since the kernel goes back a little. Who goes back further (rewinddir)
// begins anew. Names that a tree cannot have are left out, also the directory beside an object of
// the same name: the file is seen.
import type { FileStatus } from '../../client/file-system.ts'
import { isListable } from '../protocol/answers.ts'

/** An entry and the place behind it. */
export interface PlacedEntry {
  readonly status: Pick<FileStatus, 'name' | 'kind' | 'fileId'>
  /** With all that is known of it; undefined for a file that is being written. */
  readonly seen: FileStatus | undefined
  readonly next: number
}

export interface DirectoryStreamOptions {
  /** Pages of the directory, from its start. */
  readonly list: () => AsyncIterable<readonly FileStatus[]>
  /** Files that are being written and are not in the listing yet. */
  readonly unfinished: () => readonly { readonly name: string }[]
  /** Called once per entry that is left out. */
  readonly onLeftOut: (path: string) => void
}

/** Places 1 and 2 are behind `.` and `..`. */
export const firstPlace = 2

export class DirectoryStream {
  readonly #options: DirectoryStreamOptions
  #pages: AsyncIterator<readonly FileStatus[]> | undefined
  /** Entries that are kept, the first one with this place. */
  #kept: PlacedEntry[] = []
  #keptFrom = firstPlace
  #previousLength = 0
  #isAtEnd = false
  /** File names that can still be those of a directory that comes later. */
  #files: string[] = []
  /** One read after the other. */
  #last: Promise<unknown> = Promise.resolve()

  constructor(options: DirectoryStreamOptions) {
    this.#options = options
  }

  /** Entries behind a place, none at the end. More may follow. */
  read(place: number): Promise<readonly PlacedEntry[]> {
    const turn = this.#last.then(() => this.#read(place))
    this.#last = turn.catch(() => undefined)
    return turn
  }

  async close(): Promise<void> {
    await this.#last
    await this.#pages?.return?.()
    this.#pages = undefined
    this.#kept = []
  }

  async #read(place: number): Promise<readonly PlacedEntry[]> {
    if (place < this.#keptFrom || (place === firstPlace && this.#isAtEnd)) await this.#restart()
    while (!this.#isAtEnd && place >= this.#keptFrom + this.#kept.length) await this.#nextPage()
    return this.#kept.slice(Math.max(0, place - this.#keptFrom))
  }

  async #restart(): Promise<void> {
    await this.#pages?.return?.()
    this.#pages = undefined
    this.#kept = []
    this.#keptFrom = firstPlace
    this.#previousLength = 0
    this.#isAtEnd = false
    this.#files = []
  }

  async #nextPage(): Promise<void> {
    this.#pages ??= this.#options.list()[Symbol.asyncIterator]()
    const from = this.#keptFrom + this.#kept.length
    let result
    try {
      result = await this.#pages.next()
    } catch (thrown) {
      // Whoever reads again begins anew, and gets to the same place.
      this.#pages = undefined
      await this.#restart()
      throw thrown
    }
    const page: Omit<PlacedEntry, 'next'>[] =
      result.done === true
        ? this.#options.unfinished().map(({ name }) => ({ status: { name, kind: 'file', fileId: 0 }, seen: undefined }))
        : result.value.filter((status) => this.#isShown(status)).map((status) => ({ status, seen: status }))
    this.#isAtEnd = result.done === true
    this.#kept.splice(0, this.#previousLength)
    this.#keptFrom += this.#previousLength
    this.#previousLength = this.#kept.length
    this.#kept.push(...page.map((entry, index) => ({ ...entry, next: from + index + 1 })))
  }

  #isShown({ name, kind, path }: FileStatus): boolean {
    // In the order of a listing, `a/` comes behind all that could come between it and `a`.
    const order = kind === 'directory' ? `${name}/` : name
    const isShadowed = kind === 'directory' && this.#files.includes(name)
    this.#files = this.#files.filter((file) => order < `${file}/`)
    if (kind === 'file') this.#files.push(name)
    if (isListable(name) && !isShadowed) return true
    this.#options.onLeftOut(path)
    return false
  }
}
