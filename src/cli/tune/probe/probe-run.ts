// Why: what a store can do is measured, not guessed. How: a worker measures, because it has the
// secrets of the namespace and the way to the store that loads use; this client has neither. The
// client chooses the objects and the steps (tuning/probe-ladder.ts), so that it shows progress, and
// a client that stops leaves no long measurement behind.
import { SkeinError } from '../../../base/errors.ts'
import type { Cluster } from '../../../client/cluster.ts'
import type { FileDetails } from '../../../client/upkeep/file-upkeep.ts'
import type { ProbeDocument } from '../../../tuning/probe-document.ts'
import { kneeOf, type LadderEnd, type LadderStep, medianOf, nextStep, type Rung } from '../../../tuning/probe-ladder.ts'
import { type ProbedObject, rangesFrom, spread } from '../../../tuning/probe-ranges.ts'
import type { WorkerInfo } from '../../../wire/generated/master.ts'
import type { ProbeStoreRequest, ProbeStoreResponse, WorkerServiceDefinition } from '../../../wire/generated/worker.ts'
import type { Service } from '../../../wire/service.ts'
import type { CommandContext } from '../../frame/context.ts'
import { printable } from '../../frame/printable.ts'
import type { ProbeOptions } from './probe-options.ts'

/** Files of the listing that are looked at, and objects that are read. */
const listedMax = 10_000
const objectsMax = 1000
/** The first page of a directory that is not known yet waits for the store. */
const pageMs = 10 * 60_000
const headsOfFirst = 10
/** Of one call (wire/limits/worker-limits.ts). */
const stepMsMax = 15_000
const stepBytesMax = 2 * 1024 ** 3
const stepRequestsMax = 20_000
/** A call may wait for the master before it begins. */
const graceMs = 15_000
const diskBytes = 64 * 1024 ** 2
const diskTimeShare = 0.25

/**
 * @param path `/namespace` or below
 * @throws SkeinError not_found (no objects), unavailable (no worker), and what the worker throws
 */
export async function runProbe(
  context: Pick<CommandContext, 'clock' | 'io' | 'signal'>,
  { cluster, path, hostname }: { readonly cluster: Cluster; readonly path: string; readonly hostname: string },
  options: ProbeOptions,
): Promise<ProbeDocument> {
  const { clock, io, signal } = context
  const { files, namespaceId } = await objectsBelow(cluster, path, signal)
  const info = await chosenWorker(cluster, options.worker, hostname, signal)
  const { ms, bytes, requests } = options.bounds
  io.stderr(
    `probing the store of ${printable(path)}: at most ${requests} requests, ${bytes} bytes, ${ms / 1000} s; ` +
      'the store may charge for them\n',
  )
  const beganMs = clock.monotonicMs()
  const worker = cluster.worker(info.rpcAddress)
  const disks = options.withDisks ? await probedDisks(worker, info, ms, signal) : []
  const ladder = new Ladder(context, worker, namespaceId, files, options, beganMs)
  const found = await ladder.run()
  return {
    kind: 'skein-probe',
    version: 1,
    path,
    takenAt: new Date(clock.nowMs()).toISOString(),
    worker: { workerId: info.workerId, hostname: info.hostname },
    rangeBytes: options.rangeBytes,
    objects: { count: files.length, medianBytes: medianOf(files.map(({ length }) => length)) ?? 0 },
    ...found,
    disks,
    spent: { ...ladder.spent, seconds: (clock.monotonicMs() - beganMs) / 1000 },
  }
}

async function objectsBelow(
  cluster: Cluster,
  path: string,
  signal: AbortSignal,
): Promise<{ readonly files: ProbedObject[]; readonly namespaceId: string }> {
  const found: FileDetails[] = []
  let listed = 0
  for await (const page of cluster.files.listDetails(path, { recursive: true, signal, deadlineMs: pageMs })) {
    listed += page.length
    found.push(...page.filter((file) => isReadable(file)))
    if (listed >= listedMax) break
  }
  const [first] = found
  if (first === undefined) {
    const message = `${path} has no objects to read: a probe writes nothing, so files with bytes must be in the store`
    throw new SkeinError('not_found', message)
  }
  // Below `/` each file may be of another namespace; one store is measured.
  const own = found.filter(({ namespaceId }) => namespaceId === first.namespaceId)
  const files = spread(own, objectsMax).map(({ key, etag, length }) => ({ key, etag, length }))
  return { files, namespaceId: first.namespaceId }
}

function isReadable({ kind, length, etag, persistence }: FileDetails): boolean {
  return kind === 'file' && length > 0 && etag !== '' && persistence === 'persisted'
}

async function chosenWorker(
  cluster: Cluster,
  wanted: string | undefined,
  hostname: string,
  signal: AbortSignal,
): Promise<WorkerInfo> {
  const { workers } = await cluster.master().listWorkers({}, { signal })
  const live = workers.filter((worker) => worker.live)
  if (wanted === undefined) {
    const worker = live.find((one) => one.hostname === hostname) ?? live[0]
    if (worker !== undefined) return worker
    throw new SkeinError('unavailable', 'no worker is live: a worker reads from the store for the probe')
  }
  const worker = live.find((one) => [one.workerId, one.hostname, one.rpcAddress].includes(wanted))
  if (worker !== undefined) return worker
  throw new SkeinError('not_found', `no live worker is '${wanted}': skein fsadmin report capacity lists them`)
}

async function probedDisks(
  worker: Service<WorkerServiceDefinition>,
  { directories }: WorkerInfo,
  ms: number,
  signal: AbortSignal,
): Promise<ProbeDocument['disks']> {
  const each = Math.floor((ms * diskTimeShare) / Math.max(1, directories.length))
  const msMax = Math.max(100, Math.min(stepMsMax, each))
  const deadlineMs = directories.length * (msMax + graceMs) + graceMs
  const { disks } = await worker.probeDisks({ bytesMax: diskBytes, msMax }, { signal, deadlineMs })
  return disks.map(({ path, tier, mediumType, bytes, writeMs, problem }) => ({
    ...{ path, tier, mediumType, problem },
    ...(problem === '' && writeMs > 0 && { bytesPerSecond: (1000 * bytes) / writeMs }),
  }))
}

type Found = Pick<ProbeDocument, 'roundTripMs' | 'rungs' | 'endedBy' | 'knee' | 'slowDown' | 'problem'>

class Ladder {
  readonly #context: Pick<CommandContext, 'clock' | 'io' | 'signal'>
  readonly #worker: Pick<Service<WorkerServiceDefinition>, 'probeStore'>
  readonly #namespaceId: string
  readonly #files: readonly ProbedObject[]
  readonly #options: ProbeOptions
  readonly #untilMs: number
  readonly #spent = { requests: 0, bytes: 0 }
  #rangesDone = 0
  #problem = ''

  constructor(
    context: Pick<CommandContext, 'clock' | 'io' | 'signal'>,
    worker: Pick<Service<WorkerServiceDefinition>, 'probeStore'>,
    namespaceId: string,
    files: readonly ProbedObject[],
    options: ProbeOptions,
    beganMs: number,
  ) {
    this.#context = context
    this.#worker = worker
    this.#namespaceId = namespaceId
    this.#files = files
    this.#options = options
    this.#untilMs = beganMs + options.bounds.ms
  }

  get spent(): { readonly requests: number; readonly bytes: number } {
    return { ...this.#spent }
  }

  async run(): Promise<Found> {
    const rungs: Rung[] = []
    let heads: readonly number[] = []
    let next: LadderStep | LadderEnd
    const { connectionsMax, rangeBytes } = this.#options
    const largest = this.#files.reduce((most, { length }) => Math.max(most, length), 1)
    const size = { connectionsMax, requestBytes: Math.min(rangeBytes, largest) }
    while (typeof (next = nextStep(rungs, this.#left, size)) !== 'string') {
      const answer = await this.#step(next, rungs.length === 0 ? headsOfFirst : 0)
      if (rungs.length === 0) heads = answer.headMs
      rungs.push(rungOf(next.connections, answer))
      this.#context.io.stderr(
        `${next.connections} at once: ${answer.ranges} ranges in ${answer.elapsedMs.toFixed(0)} ms\n`,
      )
    }
    const knee = kneeOf(rungs)
    const slow = rungs.find((rung) => rung.endedBy === 'slow_down')
    return {
      ...(heads.length > 0 && { roundTripMs: { least: Math.min(...heads), median: medianOf(heads) ?? 0 } }),
      rungs,
      endedBy: next,
      ...(knee !== undefined && { knee }),
      ...(slow !== undefined && { slowDown: await this.#recovery(slow) }),
      problem: this.#problem,
    }
  }

  get #left(): { readonly ms: number; readonly bytes: number; readonly requests: number } {
    const { bytes, requests } = this.#options.bounds
    return {
      ms: Math.max(0, this.#untilMs - this.#context.clock.monotonicMs()),
      bytes: bytes - this.#spent.bytes,
      requests: requests - this.#spent.requests,
    }
  }

  async #step({ connections, ms, bytes, requests }: LadderStep, heads: number): Promise<ProbeStoreResponse> {
    const { rangeBytes } = this.#options
    const { objects, firstRange } = rangesFrom(this.#files, rangeBytes, this.#rangesDone, bytes)
    const request: ProbeStoreRequest = {
      ...{ namespaceId: this.#namespaceId, objects: [...objects], rangeBytes, firstRange, connections, heads },
      msMax: Math.min(ms, stepMsMax),
      bytesMax: Math.min(bytes, stepBytesMax),
      requestsMax: Math.min(requests, stepRequestsMax),
    }
    const { signal } = this.#context
    const answer = await this.#worker.probeStore(request, { signal, deadlineMs: request.msMax + graceMs })
    this.#spent.requests += answer.requests
    this.#spent.bytes += answer.bytes
    this.#rangesDone += answer.ranges + answer.failed
    if (answer.problem !== '') this.#problem = answer.problem
    return answer
  }

  /** How long the store refuses one request after it was asked for too many. */
  async #recovery({ connections, slowDowns }: Rung): Promise<NonNullable<ProbeDocument['slowDown']>> {
    const { clock } = this.#context
    const ms = Math.max(1000, Math.min(stepMsMax, this.#left.ms))
    const beganMs = clock.monotonicMs()
    const answer = await this.#step({ connections: 1, ms, bytes: this.#options.rangeBytes, requests: 4 }, 0)
    const recovered = answer.ranges === 0 ? {} : { recoveredMs: clock.monotonicMs() - beganMs - answer.elapsedMs }
    return { connections, answers: slowDowns, ...recovered }
  }
}

/**
 * The speed is that of the time in which all connections were busy: one slow request at the end
 * would decide otherwise.
 */
function rungOf(connections: number, answer: ProbeStoreResponse): Rung {
  const { elapsedMs, bytes, ranges, busyMs, busyBytes, slowDowns, failed, endedBy } = answer
  const isMostlyBusy = busyBytes >= bytes / 2 && busyMs > 0
  const bytesPerMs = isMostlyBusy ? busyBytes / busyMs : elapsedMs > 0 ? bytes / elapsedMs : 0
  const bytesPerSecond = 1000 * bytesPerMs
  const requestsPerSecond = bytes === 0 ? 0 : (bytesPerSecond * ranges) / bytes
  const firstByteMs = medianOf(answer.firstByteMs)
  return {
    ...{ connections, bytesPerSecond, requestsPerSecond },
    ...{ firstByteMs, slowDowns, failed, endedBy },
  }
}
