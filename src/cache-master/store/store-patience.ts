// Why: a question about a path may have to wait for the store, and who waits in vain should hear
// that it is the store that is silent, and which, not that the master is. How: the answer comes a
// moment before the caller gives up.
import { SkeinError } from '../../base/errors.ts'
import { placeOfText } from '../../meta/resolve-path.ts'
import type { CallOptions } from '../../wire/service.ts'
import { type MasterContext, pathOf } from '../master-context.ts'

/** The answer must still travel. */
const headStartShare = 0.1
const headStartMaxMs = 1500

/** How much of a caller's time there is before the answer must be on its way. */
export function answerInMs(deadlineMs: number): number {
  return deadlineMs - Math.min(headStartMaxMs, deadlineMs * headStartShare)
}

/** @throws SkeinError deadline_exceeded that names the path's store, and what `ask` throws */
export async function askInTime<Answer>(
  context: MasterContext,
  pathText: string,
  options: CallOptions,
  ask: (options: CallOptions) => Promise<Answer>,
): Promise<Answer> {
  const { signal, deadlineMs } = options
  if (deadlineMs === undefined) return ask(options)
  const waitMs = answerInMs(deadlineMs)
  const late = new AbortController()
  const cancelTimer = context.clock.schedule(waitMs, () => {
    late.abort(new SkeinError('deadline_exceeded', silence(context, pathText, waitMs), { retryable: false }))
  })
  try {
    return await ask({ ...options, signal: AbortSignal.any([signal, late.signal]) })
  } catch (error) {
    throw late.signal.aborted ? late.signal.reason : error
  } finally {
    cancelTimer()
  }
}

function silence(context: MasterContext, pathText: string, waitedMs: number): string {
  const record = placeOfText(context.tables, pathText)?.record
  const endpoint = record?.attributes['s3.endpoint'] ?? record?.attributes['fs.cosn.bucket.endpoint_suffix']
  const store =
    record === undefined
      ? 'a store'
      : `the store of ${pathOf(record, '')}, ${record.uri}${endpoint === undefined ? '' : ` at ${endpoint}`},`
  return (
    `${store} gave no answer within ${Math.round(waitedMs / 1000)} s: ` +
    'check the endpoint and the network, or try again'
  )
}
