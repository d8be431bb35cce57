// Why: a load runs in the job master; whoever watches it only asks how far it is. How: takes the
// load's events, shows progress on stderr (a bar on a terminal, a line every few seconds elsewhere)
// or each event as a line of JSON, and keeps the progress files of the environment up to date.
import { throwIfAborted } from '../../base/clock.ts'
import { SkeinError, toSkeinError } from '../../base/errors.ts'
import type { JobServiceDefinition, LoadStatus, WorkerProgress } from '../../wire/generated/job.ts'
import type { Service } from '../../wire/service.ts'
import type { CommandContext } from '../frame/context.ts'
import { workersText } from '../format/format-load.ts'
import { type LoadEvent, loadEvents } from './load-events.ts'
import { LoadedLines } from './loaded-lines.ts'
import { progressFiles } from './progress-files.ts'
import { type Progress, progressBar, progressText } from './progress.ts'

const lineEveryMs = 5000
/** In the table below the bar. */
const workersShownMax = 8

/** What is said of a load besides its progress on stderr. */
export interface Following {
  /** Takes every event in place of what is shown on stderr. */
  readonly eachEvent?: (event: LoadEvent) => void
  /** A line on stdout for each file that is in (`loaded-lines.ts`). */
  readonly listFiles?: boolean
}

/**
 * Resolves with the load's status once it has ended.
 * @throws SkeinError unavailable when the job master stays away, cancelled when `signal` aborts,
 *   not_found
 */
export async function followLoad(
  context: Pick<CommandContext, 'io' | 'clock' | 'environment'>,
  jobs: Pick<Service<JobServiceDefinition>, 'getLoad' | 'listLoadFiles'>,
  loadId: string,
  signal: AbortSignal,
  { eachEvent, listFiles = false }: Following = {},
): Promise<LoadStatus> {
  const { clock, io } = context
  const view = new ProgressView(io, clock.monotonicMs())
  const files = progressFiles(context.environment, (message) => io.stderr(`skein: ${message}\n`))
  const lines = listFiles ? new LoadedLines(jobs, loadId) : undefined
  let last: LoadStatus | undefined
  try {
    const onAway = (message: string): void => view.notice(message, clock.monotonicMs())
    for await (const { event, isNew, status, progress } of loadEvents(clock, jobs, loadId, signal, onAway)) {
      last = status
      if (isNew) await files.write(event)
      if (lines !== undefined) await writeLines(lines, io, view, status.endedMs > 0, signal)
      if (eachEvent !== undefined) {
        if (isNew) eachEvent(event)
      } else if (status.endedMs === 0) view.show(loadId, progress, event.workers, clock.monotonicMs())
    }
  } finally {
    view.clear()
  }
  if (last === undefined) throw new SkeinError('internal', `no status of load ${loadId} was received`)
  return last
}

/** What cannot be listed now is listed at the next look; at the last one it is said. */
async function writeLines(
  lines: LoadedLines,
  io: CommandContext['io'],
  view: ProgressView,
  hasEnded: boolean,
  signal: AbortSignal,
): Promise<void> {
  try {
    for await (const text of lines.next(hasEnded, signal)) {
      view.clear()
      await io.writeBytes(Buffer.from(text))
    }
  } catch (thrown) {
    throwIfAborted(signal)
    const { message, retryable } = toSkeinError(thrown)
    if (hasEnded || !retryable) io.stderr(`skein: not all loaded files can be listed: ${message}\n`)
  }
}

/** Writes progress to stderr, no more often than is useful. */
class ProgressView {
  readonly #io: CommandContext['io']
  #nextLineMs: number
  #nextNoticeMs = 0
  #barShown = false
  #linesBelow = 0

  constructor(io: CommandContext['io'], nowMs: number) {
    this.#io = io
    this.#nextLineMs = nowMs + lineEveryMs
  }

  show(loadId: string, progress: Progress, workers: readonly WorkerProgress[], nowMs: number): void {
    this.#nextNoticeMs = 0
    if (this.#io.stderrIsTerminal) {
      const columns = this.#io.columns()
      const table = workersText(workers.slice(0, workersShownMax))
        .split('\n')
        .filter((line) => line !== '')
      // Below the bar, and back up to it, so that the next one is drawn over this one.
      const below =
        table.length === 0
          ? ''
          : `\n${table.map((line) => line.slice(0, columns - 1)).join('\n')}\u001B[${table.length}A`
      this.#io.stderr(`${this.#erase()}${progressBar(progress, columns)}${below}`)
      this.#linesBelow = table.length
      this.#barShown = true
    } else if (nowMs >= this.#nextLineMs) {
      this.#io.stderr(`${loadId} ${progressText(progress)}\n`)
      this.#nextLineMs = nowMs + lineEveryMs
    }
  }

  notice(text: string, nowMs: number): void {
    if (nowMs < this.#nextNoticeMs) return
    this.clear()
    this.#io.stderr(`skein: ${text}\n`)
    this.#nextNoticeMs = nowMs + lineEveryMs
  }

  clear(): void {
    if (this.#barShown) this.#io.stderr(this.#erase())
    this.#barShown = false
    this.#linesBelow = 0
  }

  /** The line of the bar, and what is below it. */
  #erase(): string {
    return this.#linesBelow > 0 ? '\r\u001B[J' : '\r\u001B[2K'
  }
}
