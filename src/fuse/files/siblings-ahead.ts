// Why: programs that read the small files of a directory one after the other (`cat *`, `cp -r`,
// `grep -r`) would wait for calls to the cluster for each of them. How: a few files that are opened
// in the order of their names lead to the next ones being opened ahead (files-ahead.ts of the
// client), more of them each time while they are used in time. Files that are opened in another
// order lead to nothing: after what was opened in vain, more files in order are needed. What was
// seen is never shown for longer than the kernel itself may keep it.
import type { Clock } from '../../base/clock.ts'
import { toSkeinError } from '../../base/errors.ts'
import type { FileStatus } from '../../client/file-system.ts'
import { type ContentAhead, type FilesAhead, smallFileBytesMax } from '../../client/open/files-ahead.ts'
import type { Logger } from '../../telemetry/logger.ts'
import type { Node } from '../tree/node-table.ts'
import type { PagesAhead } from './pages-ahead.ts'

export interface SiblingsAheadParts {
  readonly ahead: FilesAhead
  readonly pages: Pick<PagesAhead, 'give' | 'has'>
  /** For how long the kernel may take a name for the same file. */
  readonly entryMs: number
  readonly clock: Pick<Clock, 'monotonicMs'>
  readonly logger: Logger
  readonly closing: AbortSignal
}

/** A file that a program opens for reading. */
export interface OpenedSibling {
  readonly parent: Node
  /** Path of its directory. */
  readonly directory: string
  readonly name: string
  readonly length: number
}

const inOrderMin = 3
const inOrderMax = 64
const filesMin = 16
const filesMax = 128
/** What was opened ahead and is not used within this time was opened in vain. */
const usedInMs = 500
const directoriesMax = 32

interface Walk {
  last: string
  /** Files opened in order, up to the last one. */
  inOrder: number
  /** How many are needed for opening ahead. */
  needed: number
  /** Files of the last answer and of the one before, by name: their places in it. */
  current: ReadonlyMap<string, number>
  previous: ReadonlyMap<string, number>
  /** Files of the last answer that were opened. */
  used: number
  files: number
  askedMs: number
  isAsking: boolean
}

export class SiblingsAhead {
  readonly #parts: SiblingsAheadParts
  /** By directory, in the order of the last use. */
  readonly #walks = new Map<string, Walk>()
  #isOff = false

  constructor(parts: SiblingsAheadParts) {
    this.#parts = parts
  }

  /** What is known of a path, and for how long; undefined: it must be asked for. */
  seen(path: string): { readonly status: FileStatus; readonly ageMs: number } | undefined {
    const seen = this.#parts.ahead.seen(path)
    return seen === undefined || seen.status.kind !== 'file' || seen.ageMs >= this.#parts.entryMs ? undefined : seen
  }

  /** @throws as FilesAhead.look */
  look(path: string, signal: AbortSignal): Promise<FileStatus> {
    return this.#parts.ahead.look(path, signal)
  }

  /** Call it when a file is opened. Does not wait. */
  opened({ parent, directory, name, length }: OpenedSibling): void {
    if (length > smallFileBytesMax || this.#isOff) return
    const walk = this.#walkOf(directory)
    const place = walk.current.get(name)
    const isKnown = place !== undefined || walk.previous.has(name)
    walk.inOrder = name > walk.last ? walk.inOrder + 1 : 1
    walk.last = name
    if (place !== undefined) walk.used += 1
    if (walk.isAsking) return
    // Whoever opens at random meets some of them, too.
    const isFollowed = place !== undefined && walk.used > place / 2
    if (isFollowed && place >= walk.current.size / 2) {
      const isInTime = this.#parts.clock.monotonicMs() - walk.askedMs < usedInMs
      walk.files = isInTime ? Math.min(2 * walk.files, filesMax) : Math.max(walk.files / 2, filesMin)
      walk.needed = inOrderMin
      void this.#ask({ parent, directory }, walk, [...walk.current.keys()].at(-1) ?? name)
    } else if (!isKnown && walk.inOrder >= walk.needed) {
      if (walk.current.size > 0 && walk.used < walk.current.size / 4)
        walk.needed = Math.min(2 * walk.needed, inOrderMax)
      if (walk.inOrder < walk.needed) return
      walk.files = filesMin
      void this.#ask({ parent, directory }, walk, name)
    }
  }

  async #ask(
    { parent, directory }: Pick<OpenedSibling, 'parent' | 'directory'>,
    walk: Walk,
    startAfter: string,
  ): Promise<void> {
    const { ahead, pages, closing, clock, logger } = this.#parts
    walk.isAsking = true
    walk.askedMs = clock.monotonicMs()
    walk.used = 0
    walk.previous = walk.current
    try {
      const content: ContentAhead = {
        isWanted: (file) => !pages.has(parent, file),
        onContent: (file, bytes) => pages.give(parent, file, bytes),
      }
      const names = await ahead.open({ directory, startAfter, limit: walk.files }, content, closing)
      walk.current = new Map(names.map((name, index) => [name, index]))
    } catch (thrown) {
      const { code, message: error } = toSkeinError(thrown)
      // A master of an older version.
      if (code === 'unimplemented') this.#isOff = true
      walk.current = new Map()
      logger.debug('files are not opened ahead', { directory, error })
    } finally {
      walk.isAsking = false
    }
  }

  #walkOf(directory: string): Walk {
    const walk = this.#walks.get(directory) ?? {
      ...{ last: '', inOrder: 0, needed: inOrderMin, current: new Map(), previous: new Map() },
      ...{ used: 0, files: filesMin, askedMs: 0, isAsking: false },
    }
    this.#walks.delete(directory)
    this.#walks.set(directory, walk)
    const [oldest] = this.#walks.keys()
    if (this.#walks.size > directoriesMax && oldest !== undefined) this.#walks.delete(oldest)
    return walk
  }
}
