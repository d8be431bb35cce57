// Why: a sweep measures each point several times, all points in each round, so that what changes on
// the machine meanwhile changes all points alike. How: a round is a load of each point that has
// none yet; what is written after each load makes the sweep resumable.
import { namedNamespace } from '../../../base/paths.ts'
import { toSkeinError } from '../../../base/errors.ts'
import { throwIfAborted } from '../../../base/clock.ts'
import type { Cluster } from '../../../client/cluster.ts'
import { loadKeys, pointText, type SweepPoint } from '../../../tuning/sweep-grid.ts'
import type { SweepRun, SweepState } from '../../../tuning/sweep-state.ts'
import type { NamespaceInfo } from '../../../wire/generated/master.ts'
import type { CommandContext, Target } from '../../frame/context.ts'
import { printable } from '../../frame/printable.ts'
import { isOfPoint, measuredLoad } from './measured-load.ts'
import { startOwnCluster } from './own-cluster.ts'
import { pointSettings } from './point-settings.ts'

export interface SweepPlan {
  readonly target: Target
  readonly points: readonly SweepPoint[]
  readonly rounds: number
  /** Of all files below the path. */
  readonly bytes: number
  /** Undefined: the loads run in the cluster of the path. */
  readonly own:
    | {
        readonly folder: string
        readonly namespace: NamespaceInfo
        readonly secrets: Readonly<Record<string, string>>
      }
    | undefined
}

/** @param keep called after each load. @throws what the cluster throws, and the signal's reason */
export async function runSweep(
  context: CommandContext,
  plan: SweepPlan,
  state: SweepState,
  keep: (state: SweepState) => Promise<void>,
): Promise<SweepState> {
  const { points, rounds } = plan
  let now = state
  const isDone = (point: number, round: number): boolean =>
    now.runs.some((run) => run.point === point && run.round === round)
  for (let round = 0; round < rounds; round += 1) {
    for (const [index, point] of points.entries()) {
      if (isDone(index, round)) continue
      throwIfAborted(context.signal)
      const run = { point: index, round, ...(await measured(context, plan, now.base, point)) }
      now = { ...now, runs: [...now.runs, run] }
      await keep(now)
      context.io.stderr(`${printable(lineOf(run, point))} (${now.runs.length} of ${points.length * rounds})\n`)
    }
  }
  return now
}

type Measured = Omit<SweepRun, 'point' | 'round'>

async function measured(
  context: CommandContext,
  plan: SweepPlan,
  base: Readonly<Record<string, string>>,
  point: SweepPoint,
): Promise<Measured> {
  const { target } = plan
  const { config, settings } = pointSettings(base, point)
  const batchSize = Number(point[loadKeys.batchFiles] ?? 0)
  const options = { activeJobs: config.load.activeJobs, batchSize }
  if (plan.own === undefined) {
    const activeJobs = point[loadKeys.activeJobs] === undefined ? target.config.load.activeJobs : options.activeJobs
    return await measuredLoad(context, target.cluster, target.path, { ...options, activeJobs, isFresh: false })
  }
  try {
    return await inOwnCluster(context, plan, plan.own, settings, options)
  } catch (thrown) {
    throwIfAborted(context.signal)
    if (!isOfPoint(thrown)) throw thrown
    const problem = toSkeinError(thrown).message
    return { seconds: 0, bytes: 0, files: 0, failed: 0, retried: 0, problem }
  }
}

async function inOwnCluster(
  context: CommandContext,
  { target, bytes }: SweepPlan,
  own: NonNullable<SweepPlan['own']>,
  settings: Readonly<Record<string, string>>,
  options: Omit<Parameters<typeof measuredLoad>[3], 'isFresh'>,
): Promise<Measured> {
  const started = await startOwnCluster(context, own.folder, bytes, settings)
  let cluster: Cluster | undefined
  try {
    const [host = '', port = ''] = started.address.split(/:(?=\d+$)/)
    const at = { 'goosefs.master.hostname': host.replace(/^\[|\]$/g, ''), 'goosefs.master.rpc.port': port }
    cluster = await context.connect(await context.config('client', at))
    await createLike(context, cluster, own, settings)
    const before = started.usage()
    const figures = await measuredLoad(context, cluster, target.path, { ...options, isFresh: true })
    const after = started.usage()
    if (before === undefined || after === undefined) return figures
    const processorSeconds = Math.max(0, after.processorSeconds - before.processorSeconds)
    return { ...figures, peakBytes: after.peakBytes, processorSeconds }
  } finally {
    cluster?.close()
    await started.close()
  }
}

/**
 * The namespace of the path, read-only. Its attributes have precedence over settings, so it has
 * none of those that vary.
 */
async function createLike(
  { signal }: Pick<CommandContext, 'signal'>,
  cluster: Cluster,
  { namespace, secrets }: NonNullable<SweepPlan['own']>,
  settings: Readonly<Record<string, string>>,
): Promise<void> {
  const attributes = Object.entries(namespace.attributes).filter(
    ([key]) => key !== 'writePolicy' && !Object.hasOwn(settings, key),
  )
  const request = {
    name: namedNamespace(namespace.name),
    uri: namespace.uri,
    secrets: { ...secrets },
    attributes: { ...Object.fromEntries(attributes), readOnly: 'true' },
  }
  await cluster.master().createNamespace(request, { signal })
}

function lineOf({ seconds, bytes, failed, problem }: SweepRun, point: SweepPoint): string {
  if (problem !== '') return `${pointText(point)}: ${problem}`
  const rate = seconds > 0 ? ` ${(bytes / seconds / 1024 ** 2).toFixed(1)} MB/s` : ''
  return `${pointText(point)}: ${seconds.toFixed(2)} s,${rate}${failed > 0 ? `, ${failed} files failed` : ''}`
}
