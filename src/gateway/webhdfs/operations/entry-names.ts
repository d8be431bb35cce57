// Why: in this tree a file and a directory may have one name, and a name may be empty; Hadoop knows
// neither, and its clients would list such a directory for ever. How: a directory whose name is a
// file's is left out, as it is everywhere else: the name means the file. The file comes first in a
// listing, and before its directory come only names that begin with its name.
import type { FileStatus } from '../../../client/file-system.ts'

export class EntryNames {
  /** Names of files, each the beginning of the next one and of what is listed now. */
  readonly #files: string[] = []

  /** Called for all entries of a listing in order. */
  isShown({ name, kind }: FileStatus): boolean {
    if (name === '') return false
    while (this.#files.length > 0 && !name.startsWith(this.#files.at(-1) ?? '')) this.#files.pop()
    if (kind === 'directory') return !this.#files.includes(name)
    this.#files.push(name)
    return true
  }
}
