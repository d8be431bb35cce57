// Why: many small reads of what is not cached would ask the master for the workers each time. How:
// an answer is given again for a short time. It may name a worker that is gone by then; whoever
// reads asks the next one, as with a fresh answer.
import { type Clock, untilAborted } from '../../base/clock.ts'
import type { MasterServiceDefinition, WorkerList } from '../../wire/generated/master.ts'
import type { Service } from '../../wire/service.ts'

type ListWorkers = Service<MasterServiceDefinition>['listWorkers']

const keepMs = 1000
const deadlineMs = 10_000

/** ListWorkers with answers of up to a second ago. Calls at the same time are one. */
export function keptWorkerList(listWorkers: ListWorkers, clock: Pick<Clock, 'monotonicMs'>): ListWorkers {
  // Who asked first may stop waiting, the others go on.
  const { signal: never } = new AbortController()
  let kept: { readonly answer: Promise<WorkerList>; readonly askedMs: number } | undefined
  return (_request, { signal }) => {
    const nowMs = clock.monotonicMs()
    if (kept === undefined || nowMs - kept.askedMs >= keepMs) {
      const asked = { answer: listWorkers({}, { signal: never, deadlineMs }), askedMs: nowMs }
      asked.answer.catch(() => {
        if (kept === asked) kept = undefined
      })
      kept = asked
    }
    return untilAborted(kept.answer, signal)
  }
}
