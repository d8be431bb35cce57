// Why: a load runs in the job master; whoever watches it only asks how far it is. How: polls GetLoad, shows progress on
// stderr (a bar on a terminal, a line every few seconds elsewhere), and sits through a restart of the job master.
import { isSkeinError, SkeinError, toSkeinError } from '../base/errors.ts'
import type { JobServiceDefinition, LoadStatus } from '../wire/generated/job.ts'
import type { Service } from '../wire/service.ts'
import type { CommandContext } from './context.ts'
import { addSample, progressBar, progressOf, type ProgressSample, progressText } from './progress.ts'

/** A short load is asked about often, so that its end is seen at once; a long one twice a second. */
const pollMsMax = 500
const pollMsMin = 50
const pollShare = 0.03
const lineEveryMs = 5000
/** How long the job master may be away. */
const awayMaxMs = 120_000
const callDeadlineMs = 5000

/** How to go on watching, for messages. */
export function followHint(loadId: string): string {
  return `follow it with: skein job progress ${loadId} --watch`
}

/**
 * Resolves with the load's status once it has ended.
 * @throws SkeinError unavailable when the job master stays away, cancelled when `signal` aborts, not_found
 */
export async function followLoad(
  context: Pick<CommandContext, 'io' | 'clock'>,
  jobs: Pick<Service<JobServiceDefinition>, 'getLoad'>,
  loadId: string,
  signal: AbortSignal,
): Promise<LoadStatus> {
  const { clock, io } = context
  const view = new ProgressView(io, clock.monotonicMs())
  let lastAnswerMs = clock.monotonicMs()
  const startedMs = lastAnswerMs
  try {
    for (;;) {
      try {
        const status = await jobs.getLoad({ loadId }, { signal, deadlineMs: callDeadlineMs })
        lastAnswerMs = clock.monotonicMs()
        if (status.endedMs > 0) return status
        view.show(status, lastAnswerMs)
      } catch (thrown) {
        const error = toSkeinError(thrown)
        if (signal.aborted || !isAway(error)) throw error
        const awayMs = clock.monotonicMs() - lastAnswerMs
        if (awayMs > awayMaxMs)
          throw new SkeinError('unavailable', `${error.message}; load ${loadId} goes on when it is back, ${followHint(loadId)}`, {
            cause: error,
          })
        view.notice(`the job master does not answer (${error.message}); waiting for it`, clock.monotonicMs())
      }
      const runsMs = clock.monotonicMs() - startedMs
      await clock.sleep(Math.min(pollMsMax, Math.max(pollMsMin, runsMs * pollShare)), signal)
    }
  } finally {
    view.clear()
  }
}

function isAway(error: SkeinError): boolean {
  return isSkeinError(error, 'unavailable') || isSkeinError(error, 'deadline_exceeded')
}

/** Writes progress to stderr, no more often than is useful. */
class ProgressView {
  readonly #io: CommandContext['io']
  #window: ProgressSample[] = []
  #nextLineMs: number
  #nextNoticeMs = 0
  #barShown = false

  constructor(io: CommandContext['io'], nowMs: number) {
    this.#io = io
    this.#nextLineMs = nowMs + lineEveryMs
  }

  show(status: LoadStatus, nowMs: number): void {
    const sample = { atMs: nowMs, bytesLoaded: status.counts?.bytesLoaded ?? 0, filesLoaded: status.counts?.filesLoaded ?? 0 }
    this.#window = addSample(this.#window, sample)
    this.#nextNoticeMs = 0
    const progress = progressOf(status, this.#window)
    if (this.#io.stderrIsTerminal) {
      this.#io.stderr(`\r\u001B[2K${progressBar(progress, this.#io.columns())}`)
      this.#barShown = true
    } else if (nowMs >= this.#nextLineMs) {
      this.#io.stderr(`${status.loadId} ${progressText(progress)}\n`)
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
    if (this.#barShown) this.#io.stderr('\r\u001B[2K')
    this.#barShown = false
  }
}
