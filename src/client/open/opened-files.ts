// Why: a hot file is opened again and again, and each time the master would be asked for the same
// answer. How: an answer is kept for a short time and given to the next open of the path. Changes
// through the same file system forget it, so a program always sees its own changes; an answer whose
// question was older than the change is not kept. Changes by others are seen when the time is over,
// as with the attributes of a FUSE mount (1 s there, too, by default). Versions never mix: an
// answer is of one version, and its bytes are of that version, or there is an error.
import type { Clock } from '../../base/clock.ts'
import { pathOfText } from '../../base/paths.ts'
import type { OpenFileResponse } from '../../wire/generated/master.ts'

export interface OpenedFilesOptions {
  readonly clock: Pick<Clock, 'monotonicMs'>
  /** 0: nothing is kept. */
  readonly keepMs: number
  /** Files at most; the least recently used one goes first. */
  readonly filesMax?: number
}

interface Entry {
  readonly opened: OpenFileResponse
  readonly askedMs: number
}

const filesMaxDefault = 1000

export class OpenedFiles {
  readonly #clock: Pick<Clock, 'monotonicMs'>
  readonly #keepMs: number
  readonly #filesMax: number
  /** By path, in the order of the last use. */
  readonly #entries = new Map<string, Entry>()
  #changes = 0

  constructor({ clock, keepMs, filesMax = filesMaxDefault }: OpenedFilesOptions) {
    this.#clock = clock
    this.#keepMs = keepMs
    this.#filesMax = filesMax
  }

  /**
   * The kept answer for the path, or that of `ask`, which is kept.
   * @param isNew ask in any case
   * @throws SkeinError invalid_argument for a path that is none, and what `ask` throws
   */
  async open(path: string, isNew: boolean, ask: () => Promise<OpenFileResponse>): Promise<OpenFileResponse> {
    const key = pathOfText(path)
    const askedMs = this.#clock.monotonicMs()
    const known = this.#entries.get(key)
    if (!isNew && known !== undefined && askedMs - known.askedMs < this.#keepMs) {
      this.#put(key, known)
      return known.opened
    }
    const changes = this.#changes
    this.#entries.delete(key)
    const opened = await ask()
    if (this.#keepMs > 0 && changes === this.#changes) this.#put(key, { opened, askedMs })
    return opened
  }

  /**
   * Keeps answers that come without a question for each: call it when they are asked for, and what
   * it returns with each of them.
   */
  keepAnswers(): (path: string, opened: OpenFileResponse) => void {
    const [askedMs, changes] = [this.#clock.monotonicMs(), this.#changes]
    return (path, opened) => {
      const key = pathOfText(path)
      const isOlder = (this.#entries.get(key)?.askedMs ?? askedMs) > askedMs
      if (this.#keepMs > 0 && changes === this.#changes && !isOlder) this.#put(key, { opened, askedMs })
    }
  }

  /** The kept answer for a path, and how old it is; undefined: there is none, or it is too old. */
  kept(path: string): { readonly opened: OpenFileResponse; readonly ageMs: number } | undefined {
    const known = this.#entries.get(pathOfText(path))
    const ageMs = known === undefined ? 0 : this.#clock.monotonicMs() - known.askedMs
    return known === undefined || ageMs >= this.#keepMs ? undefined : { opened: known.opened, ageMs }
  }

  /** Call it after a change of the path, or of something below it, whether it succeeded or not. */
  forget(path: string): void {
    this.#changes += 1
    const key = pathOfText(path).replace(/\/$/, '')
    for (const known of this.#entries.keys())
      if (known === key || known.startsWith(`${key}/`)) this.#entries.delete(known)
  }

  #put(key: string, entry: Entry): void {
    this.#entries.delete(key)
    this.#entries.set(key, entry)
    const [oldest] = this.#entries.keys()
    if (this.#entries.size > this.#filesMax && oldest !== undefined) this.#entries.delete(oldest)
  }
}
