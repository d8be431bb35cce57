// Why: the worker's control plane, used by clients on the same host (short circuit). Writers
// reserve a file, write it themselves, and commit it with a call. Readers ask where a block is and
// read its file. How: each call is idempotent. A repeated commit, whose first answer was lost,
// finds the block in the store. A reservation that its writer stops renewing is aborted. Only the
// short circuit needs these leases: blocks that arrive over the data port or from this process end
// with their connection or their caller, however long the store makes them wait.
import type { Clock } from '../base/clock.ts'
import { isSkeinError, SkeinError } from '../base/errors.ts'
import type { BlockEviction } from '../block/block-eviction.ts'
import type { BlockReservation, BlockStore } from '../block/block-store.ts'
import type { MetricRegistry } from '../telemetry/registry.ts'
import {
  type LocateBlockRequest,
  type LocateBlockResponse,
  type ReserveBlockRequest,
  type ReserveBlockResponse,
  WorkerServiceDefinition,
} from '../wire/generated/worker.ts'
import { limited } from '../wire/limits/all-limits.ts'
import type { Service } from '../wire/service.ts'
import type { BlockCopier } from './blocks/block-copier.ts'
import type { KeptBlocks } from './blocks/kept-blocks.ts'
import type { WorkerProbes } from './probe/worker-probes.ts'

export interface WorkerServiceDependencies {
  readonly workerId: string
  readonly hostname: string
  readonly home: string
  readonly store: BlockStore
  /** The part of the same store that keeps the blocks of running loads from eviction. */
  readonly eviction: Pick<BlockEviction, 'setRunningLoads' | 'hold'>
  /** Copies the replicas that clients ask for. Undefined: copies are not made. */
  readonly copier?: Pick<BlockCopier, 'add'>
  /** Undefined: this worker keeps no such blocks. */
  readonly kept?: Pick<KeptBlocks, 'list' | 'read' | 'release'>
  /** Undefined: this worker makes no measurements. */
  readonly probes?: Pick<WorkerProbes, 'probeStore' | 'probeDisks'>
  readonly clock: Clock
  readonly metrics?: Pick<MetricRegistry, 'add'>
}

/** Of one call that locates many blocks. */
const locatedAtOnce = 16
const wholeBlock = Number.MAX_SAFE_INTEGER

/** A block that a writer in another process is writing. */
interface Lease {
  readonly reservation: BlockReservation
  touchedMs: number
}

export interface WorkerServiceParts {
  readonly service: Service<WorkerServiceDefinition>
  /**
   * Aborts reservations that were not renewed for `ageMs`.
   * @returns the number of aborted reservations
   */
  readonly sweep: (ageMs: number) => Promise<number>
}

export function createWorkerService(deps: WorkerServiceDependencies): WorkerServiceParts {
  const { store, eviction, clock } = deps
  const leases = new Map<string, Lease>()

  const find = (id: string, blockId: number): BlockReservation | undefined => {
    const reservation = leases.get(id)?.reservation
    if (reservation !== undefined && reservation.header.blockId !== blockId) {
      throw new SkeinError(
        'invalid_argument',
        `reservation ${id} belongs to block ${reservation.header.blockId}, not to block ${blockId}`,
      )
    }
    return reservation?.ended === true ? undefined : reservation
  }

  return {
    service: limited(WorkerServiceDefinition, {
      reserveBlock: (request) => reserve(deps, leases, request),
      copyHere: async ({ blocks }) => {
        // Clients request copies only of blocks whose bytes the under file system has too.
        deps.copier?.add(
          blocks.map(({ blockId, dataAddress }) => ({ blockId, sourceDataAddress: dataAddress, durable: false })),
        )
        return {}
      },
      commitBlock: async ({ blockId, reservation: id, pageChecksums, length }) => {
        const reservation = find(id, blockId)
        if (reservation === undefined) {
          if (store.has(blockId)) return {}
          throw new SkeinError('aborted', `block ${blockId} cannot be committed: its reservation has ended`, {
            reason: 'reservation_ended',
          })
        }
        try {
          await reservation.commit(pageChecksums, length)
        } finally {
          leases.delete(id)
        }
        return {}
      },
      abortBlock: async ({ blockId, reservation: id }) => {
        await find(id, blockId)?.abort()
        leases.delete(id)
        return {}
      },
      renewReservations: async (request) => {
        for (const id of request.reservations) {
          const lease = leases.get(id)
          if (lease !== undefined) lease.touchedMs = clock.monotonicMs()
        }
        return {}
      },
      locateBlock: (request) => locate(deps, request),
      locateBlocks: async ({ blockIds }) => {
        const blocks: LocateBlockResponse[] = []
        for (let from = 0; from < blockIds.length; from += locatedAtOnce) {
          const part = blockIds.slice(from, from + locatedAtOnce)
          // Whoever needs a block that is missing here asks for it, and is told why.
          const located = await Promise.allSettled(part.map((blockId) => locate(deps, { blockId, bytes: wholeBlock })))
          for (const one of located) if (one.status === 'fulfilled') blocks.push(one.value)
        }
        return { blocks }
      },
      freeBlocks: async ({ blockIds }) => {
        for (const blockId of blockIds) await store.free(blockId)
        return {}
      },
      holdBlocks: async ({ loadId, blockIds, runningLoads, before }) => {
        eviction.setRunningLoads(runningLoads, before)
        return { missing: blockIds.filter((blockId) => !eviction.hold(blockId, loadId)) }
      },
      listKeptBlocks: async () => (await deps.kept?.list()) ?? { blocks: [], total: 0 },
      readKeptBlock: async (request, { signal }) => {
        if (deps.kept === undefined) throw new SkeinError('not_found', `block ${request.blockId} is not a kept block`)
        return { data: await deps.kept.read(request, signal) }
      },
      releaseKeptBlocks: async ({ blocks }) => ({ released: (await deps.kept?.release(blocks)) ?? 0 }),
      getWorkerStatus: async () => {
        const directories = store.usage()
        return {
          workerId: deps.workerId,
          hostname: deps.hostname,
          home: deps.home,
          blocks: store.blockCount,
          usedBytes: directories.reduce((total, usage) => total + usage.usedBytes, 0),
          capacityBytes: directories.reduce((total, usage) => total + usage.quotaBytes, 0),
          reservedBytes: store.reservedBytes,
        }
      },
      probeStore: (request, options) => (deps.probes ?? noProbes).probeStore(request, options),
      probeDisks: (request, options) => (deps.probes ?? noProbes).probeDisks(request, options),
    }),
    sweep: async (ageMs) => {
      const staleMs = clock.monotonicMs() - ageMs
      let aborted = 0
      for (const [id, { reservation, touchedMs }] of leases) {
        if (!reservation.ended && touchedMs > staleMs) continue
        leases.delete(id)
        if (reservation.ended) continue
        await reservation.abort()
        aborted += 1
      }
      return aborted
    },
  }
}

const noMeasurements = (): Promise<never> =>
  Promise.reject(new SkeinError('unimplemented', 'this worker makes no measurements'))
const noProbes = { probeStore: noMeasurements, probeDisks: noMeasurements }

async function reserve(
  { store, clock }: WorkerServiceDependencies,
  leases: Map<string, Lease>,
  { header, loadId, evict }: ReserveBlockRequest,
): Promise<ReserveBlockResponse> {
  if (header === undefined) throw new SkeinError('invalid_argument', 'a reservation needs a block header')
  try {
    const reservation = await store.reserve(header, {
      evict: evict === true,
      loadId: loadId === '' ? undefined : loadId,
    })
    leases.set(reservation.id, { reservation, touchedMs: clock.monotonicMs() })
    return { alreadyThere: false, path: reservation.path, reservation: reservation.id }
  } catch (thrown) {
    if (isSkeinError(thrown, 'already_exists', 'committed')) return { alreadyThere: true, path: '', reservation: '' }
    throw thrown
  }
}

/**
 * Opens the block, so a located block is touched, promoted and checked as in a normal read.
 * @throws what the store throws
 */
async function locate(
  { store, metrics }: WorkerServiceDependencies,
  { blockId, bytes }: LocateBlockRequest,
): Promise<LocateBlockResponse> {
  const reader = await store.open(blockId)
  const { header, place } = reader
  await reader.close()
  if (place === undefined) return { header, path: '', dataOffset: 0, headOffset: 0, headBytes: 0 }
  metrics?.add('skein_worker_read_bytes_total', Math.min(bytes, header.length), { source: 'local' })
  return { header, ...place }
}
