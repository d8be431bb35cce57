// Why: `distributedLoad --plan` says what the load would do, and does nothing. How: the job master
// makes the plan; it is asked until it is done, and what it refuses is refused here with the same
// words and exit code.
import { type ErrorCode, errorCodes, SkeinError } from '../../base/errors.ts'
import type { JobServiceDefinition, PlanReport, SubmitLoadRequest } from '../../wire/generated/job.ts'
import type { Service } from '../../wire/service.ts'
import { type CommandContext, writeResult } from '../frame/context.ts'
import { exitCodeOfPlan } from '../frame/exit-codes.ts'
import { planText } from '../format/format-plan.ts'
import { noneSelected } from './report-load.ts'

const pollMsMin = 50
const pollMsMax = 1000

/** @throws SkeinError when the load would be refused, after the plan is written */
export async function planLoad(
  context: CommandContext,
  jobs: Pick<Service<JobServiceDefinition>, 'startPlan' | 'getPlan'>,
  request: SubmitLoadRequest,
): Promise<void> {
  const { clock, signal, io } = context
  const { planId } = await jobs.startPlan(request, { signal })
  let plan: PlanReport
  for (let waitMs = pollMsMin; ; waitMs = Math.min(waitMs * 2, pollMsMax)) {
    plan = await jobs.getPlan({ planId }, { signal })
    if (plan.done) break
    if (waitMs === pollMsMax) io.stderr(`planning: ${plan.files} objects so far\n`)
    await clock.sleep(waitMs, signal)
  }
  const hasNumbers = plan.error === '' || plan.missingBytes > 0
  const { estimateLowMs = null, estimateHighMs = null, ...numbers } = plan
  const time = { estimateMs: estimateHighMs, estimateLowMs, estimateHighMs }
  if (hasNumbers) writeResult(context, { ...numbers, ...time }, planText(plan))
  if (plan.error !== '') throw new SkeinError(codeOf(plan.errorCode), plan.error)
  if (plan.files === 0 && plan.filesExcluded > 0)
    throw new SkeinError('not_found', noneSelected(plan.path, plan.filesExcluded))
  context.setExitCode(exitCodeOfPlan(plan, request.options?.atomic === true))
}

function codeOf(text: string): ErrorCode {
  return errorCodes.find((code) => code === text) ?? 'internal'
}
