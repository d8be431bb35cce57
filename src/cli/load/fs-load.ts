// Why: `skein fs distributedLoad | load`. How: submits the load under a key of its own (so that a
// repeated submission is the same load), follows it to its end, and says what came of it. Stopping
// asks the job master to cancel; stopping again leaves it.
import type { Command } from 'commander'
import { throwIfAborted } from '../../base/clock.ts'
import { isSkeinError, SkeinError, toSkeinError } from '../../base/errors.ts'
import type { JobServiceDefinition, LoadStatus, SubmitLoadRequest } from '../../wire/generated/job.ts'
import type { Service } from '../../wire/service.ts'
import { type CommandContext, openTarget, type Target, writeResult } from '../frame/context.ts'
import { commandName } from '../frame/command-name.ts'
import { exitCodes, usageError } from '../frame/exit-codes.ts'
import { followLoad } from './follow-load.ts'
import { followHint, resumeHint } from './load-events.ts'
import { addLoadFlags, type LoadFlags, readLoadFlags, warnOfBandwidth, withGlobs } from './load-flags.ts'
import { openSource, type SourceFlags } from './load-source.ts'
import { checkManifest, writeManifest } from './manifest.ts'
import { notEmpty } from '../frame/numbers.ts'
import { pathGlob } from './path-glob.ts'
import { planLoad } from './follow-plan.ts'
import { printable } from '../frame/printable.ts'
import { reportLoad } from './report-load.ts'

interface Flags extends LoadFlags, SourceFlags {
  readonly async?: true
  readonly plan?: true
  readonly manifest?: string
  readonly listFiles?: true
}

export function addCommands(parent: Command, context: CommandContext): void {
  addLoadFlags(
    parent
      .command('distributedLoad')
      .description('load files or directories into the cache')
      .argument(
        '[paths...]',
        '/namespace/dir or gfs://host:port/namespace/dir; ' +
          'templates such as shard-{0000..0999}.tar; globs such as *.tar',
      ),
  )
    .option('--index [file]', 'load the paths in a file, one per line: PATH or PATH,REPLICAS; - reads stdin')
    .option('--from-manifest <file>', 'load the files in a manifest, in exactly the listed versions')
    .option('--plan', 'dry run: show what the load would do')
    .option('--manifest <file>', 'write a manifest of the loaded files (JSON lines)')
    .option('--list-files', 'print a line for each file that is in the cache, before the counts (goosefs: always)')
    .option('--async', 'return as soon as the load is accepted')
    .action(async (paths: readonly string[], flags: Flags) => {
      await distributedLoad(context, paths, flags)
    })
  parent
    .command('load')
    .description('load a file or directory into the cache with one replica')
    .argument('<path>', '/namespace/dir/file or gfs://host:port/namespace/dir/file')
    .action(async (path: string) => loadOnce(context, path))
}

async function distributedLoad(context: CommandContext, paths: readonly string[], flags: Flags): Promise<void> {
  if (flags.async === true && flags.plan === true) throw usageError('--plan and --async cannot be combined')
  if (flags.plan === true && flags.manifest !== undefined)
    throw usageError('--plan and --manifest cannot be combined: a dry run loads no files')
  if (flags.async === true && flags.manifest !== undefined)
    throw usageError('--manifest and --async cannot be combined: the manifest is written when the load ends')
  const listFiles = listsFiles(context, flags)
  readLoadFlags(flags, 1, context.clock.nowMs())
  if (flags.manifest !== undefined) await checkManifest(notEmpty('--manifest', flags.manifest))
  const { target, request: what, include } = await openSource(context, paths, flags)
  const options = readLoadFlags(withGlobs(flags, include), target.config.load.activeJobs, context.clock.nowMs())
  warnOfBandwidth(context, flags.bandwidth)
  const request = { requestKey: context.uniqueId(), ...what, options }
  const jobs = target.cluster.jobMaster()
  if (flags.plan === true) return await planLoad(context, jobs, request)
  if (flags.async === true) {
    const { loadId, joined } = await jobs.submitLoad(request, { signal: context.signal })
    writeResult(
      context,
      { loadId, joined, path: request.path },
      `Submitted successfully, jobControlId = ${loadId}\n${capitalized(followHint(loadId))}`,
    )
    return
  }
  const status = await loadToItsEnd(context, target, request, listFiles)
  await reportLoad(context, target.config.home, jobs, status)
  if (flags.manifest !== undefined) await keepManifest(context, target, flags.manifest, status)
}

/**
 * Whether each file gets a line: asked for, or called as GooseFS's scripts do. @throws SkeinError
 * invalid_argument (usage)
 */
function listsFiles(context: CommandContext, { listFiles, plan, async: isAsync }: Flags): boolean {
  const isText = context.options.format === 'text'
  if (listFiles === true && !isText)
    throw usageError('--list-files and --format json cannot be combined: the result is one document')
  if (listFiles === true && (plan === true || isAsync === true))
    throw usageError('--list-files cannot be combined with --plan or --async: files are named when they are loaded')
  return isText && (listFiles === true || commandName(context.environment) === 'goosefs')
}

async function keepManifest(
  context: CommandContext,
  { cluster }: Target,
  file: string,
  status: LoadStatus,
): Promise<void> {
  const namespace = await cluster.master().getNamespace({ name: '', path: status.path }, { signal: context.signal })
  const files = await writeManifest(file, cluster.jobMaster(), status, namespace, context.signal)
  context.io.stderr(`wrote ${files} files to the manifest ${printable(file)}\n`)
}

/** `fs load`: says `P loaded`, or what came of the load where it did not complete. */
async function loadOnce(context: CommandContext, text: string): Promise<void> {
  const source = pathGlob(text) === undefined ? undefined : await openSource(context, [text], {})
  if (source?.request.indexId !== undefined)
    throw usageError('fs load takes one path: use fs distributedLoad for several paths')
  const target = source?.target ?? (await openTarget(context, text))
  const include = source?.include
  const { path, cluster, config } = target
  const file = await cluster
    .master()
    .getStatus({ path }, { signal: context.signal })
    .catch((thrown: unknown) => {
      // What the store cannot give as a file the load names, as it names it among others.
      if (isSkeinError(thrown, 'failed_precondition')) return undefined
      throw thrown
    })
  // What only the cache has is in it, and the store, which a load reads, knows nothing of it.
  if (file === undefined || file.folder || file.persistenceState === 'PERSISTED') {
    const selection = include === undefined ? {} : { selection: { include: [...include], exclude: [] } }
    const options = {
      replication: 1,
      keepReplication: true,
      activeJobs: config.load.activeJobs,
      batchSize: 0,
      ...selection,
    }
    const status = await loadToItsEnd(context, target, { requestKey: context.uniqueId(), path, options })
    if (status.state !== 'COMPLETED' || (include !== undefined && status.counts?.files === 0))
      return reportLoad(context, config.home, cluster.jobMaster(), status)
  }
  writeResult(context, { path, loaded: true }, `${printable(include === undefined ? path : text)} loaded`)
}

/** Submits a load and follows it; the user may stop it by stages. */
async function loadToItsEnd(
  context: CommandContext,
  { cluster }: Target,
  request: SubmitLoadRequest,
  listFiles = false,
): Promise<LoadStatus> {
  const jobs = cluster.jobMaster()
  const stop = new StopByStages(context)
  try {
    const { loadId, joined } = await jobs.submitLoad(request, { signal: stop.leave })
    context.io.stderr(`${joined ? 'joined' : 'submitted'} load ${loadId} of ${printable(request.path)}\n`)
    stop.setLoad(jobs, loadId)
    return await followLoad(context, jobs, loadId, stop.leave, { listFiles })
  } catch (thrown) {
    throwIfAborted(stop.leave)
    throw thrown
  } finally {
    stop.done()
  }
}

/** First stop: ask the job master to cancel. Second: do not wait for it. */
class StopByStages {
  readonly #context: CommandContext
  readonly #leave = new AbortController()
  readonly #unlisten: () => void
  #stops = 0
  #isCancelHeard = false
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
      const resume = this.#load === undefined ? '' : `; ${resumeHint(this.#load.loadId)}`
      this.#context.io.stderr(`\nskein: cancelling; press Ctrl-C again to exit without waiting${resume}\n`)
      void this.#cancel()
      return
    }
    if (this.#stops > 2) this.#context.io.exit(exitCodes.cancelled)
    const loadId = this.#load?.loadId
    const message =
      loadId === undefined
        ? 'stopped before the load was accepted; check with `skein job ls` whether it was submitted'
        : this.#isCancelHeard
          ? `load ${loadId} is being cancelled; ${followHint(loadId)}; ${resumeHint(loadId)}`
          : `load ${loadId} continues; ${followHint(loadId)}`
    this.#leave.abort(new SkeinError('cancelled', message))
  }

  /** Asks until the job master has heard it; the end of the load is seen by whoever follows it. */
  async #cancel(): Promise<void> {
    const { io, clock } = this.#context
    while (this.#load !== undefined && !this.leave.aborted) {
      try {
        await this.#load.jobs.cancelLoad({ loadId: this.#load.loadId }, { signal: this.leave })
        this.#isCancelHeard = true
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
