// Why: others wait for the path of a file that a worker writes to the store, and the deadline of a
// large one is far away: a call to a worker that is lost must end. How: while it runs, the worker
// is looked at now and then.
import { SkeinError } from '../../base/errors.ts'
import type { MasterContext } from '../master-context.ts'

/** Between two looks at whether the worker lives that writes. */
const workerLookMs = 5000

/** @throws SkeinError unavailable when the worker is lost */
export async function whileItLives<T>(
  { clock, workers }: Pick<MasterContext, 'clock' | 'workers'>,
  workerId: string,
  signal: AbortSignal,
  call: (signal: AbortSignal) => Promise<T>,
): Promise<T> {
  const lost = new AbortController()
  let cancelTimer = (): void => undefined
  const look = (): void => {
    workers.expire()
    if (workers.infos([workerId]).some(({ live }) => live)) cancelTimer = clock.schedule(workerLookMs, look)
    else lost.abort(new SkeinError('unavailable', 'the worker that wrote the file was lost: write the file again'))
  }
  look()
  try {
    return await call(AbortSignal.any([signal, lost.signal]))
  } finally {
    cancelTimer()
  }
}

/** Whether the worker, or what it sent to the store, may not have ended. */
export function isCutOff({ code }: SkeinError, signal: AbortSignal): boolean {
  return signal.aborted || code === 'unavailable' || code === 'deadline_exceeded' || code === 'cancelled'
}
