// Why: `skein fs distributedLoad | load`. How: submits the load under a key of its own (so that a repeated submission is the same
// load), follows it to its end, and says what came of it. Stopping asks the job master to cancel; stopping again leaves it.
import type { Command } from 'commander'
import { SkeinError, toSkeinError } from '../base/errors.ts'
import type { JobServiceDefinition, LoadOptions, LoadStatus } from '../wire/generated/job.ts'
import type { Service } from '../wire/service.ts'
import { type CommandContext, openTarget, type Target, writeResult } from './context.ts'
import { exitCodes } from './exit-codes.ts'
import { followHint, followLoad } from './follow-load.ts'
import { wholeNumber } from './numbers.ts'
import { printable } from './printable.ts'
import { reportLoad } from './report-load.ts'

interface Flags {
  readonly replication: string
  readonly activeJobs?: string
  readonly batchSize?: string
  readonly async?: true
}

export function addCommands(parent: Command, context: CommandContext): void {
  parent
    .command('distributedLoad')
    .description('load a file or everything below a directory into the cache')
    .argument('<path>', '/namespace/dir or gfs://host:port/namespace/dir')
    .option('--replication <n>', 'replicas on distinct workers', '1')
    .option('--active-jobs <n>', 'tasks of this load that may be out at once (default: 3000)')
    .option('--batch-size <n>', 'small files that share a task, at most (default: by size)')
    .option('--async', 'return once the load is accepted')
    .action(async (path: string, flags: Flags) => {
      await distributedLoad(context, path, flags)
    })
  parent
    .command('load')
    .description('load a file (or everything below a directory) into the cache, one replica')
    .argument('<path>', '/namespace/dir/file or gfs://host:port/namespace/dir/file')
    .action(async (path: string) => loadOnce(context, path))
}

async function distributedLoad(context: CommandContext, text: string, flags: Flags): Promise<void> {
  const given = {
    replication: wholeNumber('--replication', flags.replication, 1, 1000),
    activeJobs: flags.activeJobs === undefined ? undefined : wholeNumber('--active-jobs', flags.activeJobs, 1, 1_000_000),
    batchSize: flags.batchSize === undefined ? 0 : wholeNumber('--batch-size', flags.batchSize, 1, 10_000),
  }
  const target = await openTarget(context, text)
  const options: LoadOptions = { ...given, activeJobs: given.activeJobs ?? target.config.load.activeJobs }
  const jobs = target.cluster.jobMaster()
  if (flags.async === true) {
    const request = { requestKey: context.uniqueId(), path: target.path, options }
    const { loadId, joined } = await jobs.submitLoad(request, { signal: context.signal })
    writeResult(
      context,
      { loadId, joined, path: target.path },
      `Submitted successfully, jobControlId = ${loadId}\n${capitalized(followHint(loadId))}`,
    )
    return
  }
  await reportLoad(context, target.config.home, jobs, await loadToItsEnd(context, target, options))
}

/** `fs load`: says `P loaded`, or what came of the load where it did not complete. */
async function loadOnce(context: CommandContext, text: string): Promise<void> {
  const target = await openTarget(context, text)
  const { path, cluster, config } = target
  const file = await cluster.master().getStatus({ path }, { signal: context.signal })
  // What only the cache has is in it, and the store, which a load reads, knows nothing of it.
  if (file.folder || file.persistenceState === 'PERSISTED') {
    const status = await loadToItsEnd(context, target, { replication: 1, activeJobs: config.load.activeJobs, batchSize: 0 })
    if (status.state !== 'COMPLETED') return reportLoad(context, config.home, cluster.jobMaster(), status)
  }
  writeResult(context, { path, loaded: true }, `${printable(path)} loaded`)
}

/** Submits a load and follows it; the user may stop it by stages. */
async function loadToItsEnd(context: CommandContext, { path, cluster }: Target, options: LoadOptions): Promise<LoadStatus> {
  const jobs = cluster.jobMaster()
  const stop = new StopByStages(context)
  try {
    const { loadId, joined } = await jobs.submitLoad({ requestKey: context.uniqueId(), path, options }, { signal: stop.leave })
    context.io.stderr(`${joined ? 'joined' : 'submitted'} load ${loadId} of ${printable(path)}\n`)
    stop.setLoad(jobs, loadId)
    return await followLoad(context, jobs, loadId, stop.leave)
  } finally {
    stop.done()
  }
}

/** First stop: ask the job master to cancel. Second: leave the load running. */
class StopByStages {
  readonly #context: CommandContext
  readonly #leave = new AbortController()
  readonly #unlisten: () => void
  #stops = 0
  #load: { readonly jobs: Pick<Service<JobServiceDefinition>, 'cancelLoad'>; readonly loadId: string } | undefined

  constructor(context: CommandContext) {
    this.#context = context
    this.#unlisten = context.io.onStop(() => this.#onStop())
  }

  /** Aborts at the second stop. */
  get leave(): AbortSignal {
    return this.#leave.signal
  }

  /** The load is known from now on; a stop that came before is made up for. */
  setLoad(jobs: Pick<Service<JobServiceDefinition>, 'cancelLoad'>, loadId: string): void {
    this.#load = { jobs, loadId }
    if (this.#stops === 1) void this.#cancel()
  }

  done(): void {
    this.#unlisten()
  }

  #onStop(): void {
    this.#stops += 1
    if (this.#stops === 1) {
      this.#context.io.stderr('\nskein: cancelling; stop again to leave the load running\n')
      void this.#cancel()
      return
    }
    if (this.#stops > 2) this.#context.io.exit(exitCodes.cancelled)
    const loadId = this.#load?.loadId
    const message =
      loadId === undefined
        ? 'stopped before the load was accepted; `skein job ls` shows whether it was'
        : `left load ${loadId} as it is; ${followHint(loadId)}`
    this.#leave.abort(new SkeinError('cancelled', message))
  }

  /** Asks until the job master has heard it; the end of the load is seen by whoever follows it. */
  async #cancel(): Promise<void> {
    const { io, clock } = this.#context
    while (this.#load !== undefined && !this.leave.aborted) {
      try {
        await this.#load.jobs.cancelLoad({ loadId: this.#load.loadId }, { signal: this.leave })
        return
      } catch (thrown) {
        const error = toSkeinError(thrown)
        if (this.leave.aborted) return
        if (!error.retryable) {
          io.stderr(`skein: the load cannot be cancelled: ${error.message}\n`)
          return
        }
        await clock.sleep(1000, this.leave).catch(() => undefined)
      }
    }
  }
}

function capitalized(text: string): string {
  return text.charAt(0).toUpperCase() + text.slice(1)
}
