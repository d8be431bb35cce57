// Why: scripts for GooseFS read a line for each file that `fs distributedLoad` brought in, while
// the load runs. How: the files of the load are gone through page by page; a page is asked for
// again until all of its files have an end, and each file is named once. So there is never more in
// memory than one page. Text: Alluxio 2.5's DistributedLoadCommand, with GooseFS's name.
import type { JobServiceDefinition, LoadFile } from '../../wire/generated/job.ts'
import type { Service } from '../../wire/service.ts'
import { loadedFileLine } from '../format/format-load.ts'

/** What a page holds at least, but the last one: pages end with a whole set. */
const filesPerPage = 1000

/** The lines of one load. */
export class LoadedLines {
  readonly #jobs: Pick<Service<JobServiceDefinition>, 'listLoadFiles'>
  readonly #loadId: string
  #pageToken = ''
  /** Of the page that is waited for. */
  #named = new Set<string>()
  #isDone = false

  constructor(jobs: Pick<Service<JobServiceDefinition>, 'listLoadFiles'>, loadId: string) {
    this.#jobs = jobs
    this.#loadId = loadId
  }

  /**
   * The lines that are new since the last call, in pieces that end with a newline.
   * @param hasEnded the load has: what is not in by now stays out
   * @throws what the job master answers; the next call goes on where this one was
   */
  async *next(hasEnded: boolean, signal: AbortSignal): AsyncGenerator<string, void, undefined> {
    while (!this.#isDone) {
      const request = { loadId: this.#loadId, pageToken: this.#pageToken, limit: filesPerPage, failedOnly: false }
      const { files, nextPageToken } = await this.#jobs.listLoadFiles(request, { signal })
      const lines = files.flatMap((file) => this.#lineOf(file))
      if (lines.length > 0) yield lines.join('')
      // Failed files are listed behind the last set, and there may be more sets later.
      const isFinal = hasEnded || files.every(({ state }) => state === 'DONE' || state === 'CACHED')
      if (!isFinal || (nextPageToken === '' && !hasEnded)) return
      this.#isDone = nextPageToken === ''
      this.#pageToken = nextPageToken
      this.#named = new Set()
    }
  }

  #lineOf(file: LoadFile): string[] {
    const line = loadedFileLine(file)
    if (line === undefined || this.#named.has(file.path)) return []
    this.#named.add(file.path)
    return [`${line}\n`]
  }
}
