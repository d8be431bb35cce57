// Why: the worker's control plane: writers on its own host reserve a file, write it themselves, and commit it by call.
// How: each call is idempotent. A lost answer costs nothing: a commit that comes again finds the block in the store, and a
// reservation that nobody knows of is aborted when it goes stale.
import { isSkeinError, SkeinError } from '../base/errors.ts'
import type { BlockReservation, BlockStore } from '../block/block-store.ts'
import type { ReserveBlockRequest, ReserveBlockResponse, WorkerServiceDefinition } from '../wire/generated/worker.ts'
import type { Service } from '../wire/service.ts'

export interface WorkerServiceDependencies {
  readonly workerId: string
  readonly hostname: string
  readonly home: string
  readonly store: BlockStore
}

export interface WorkerServiceParts {
  readonly service: Service<WorkerServiceDefinition>
  /** Aborts what nobody touched for `ageMs`, of the short circuit and of the data port. @returns how many */
  readonly sweep: (ageMs: number) => Promise<number>
}

export function createWorkerService(deps: WorkerServiceDependencies): WorkerServiceParts {
  const { store } = deps
  const reservations = new Map<string, BlockReservation>()

  const find = (id: string, blockId: number): BlockReservation | undefined => {
    const reservation = reservations.get(id)
    if (reservation !== undefined && reservation.header.blockId !== blockId) {
      throw new SkeinError('invalid_argument', `reservation ${id} is of block ${reservation.header.blockId}, not of ${blockId}`)
    }
    return reservation?.ended === true ? undefined : reservation
  }

  return {
    service: {
      reserveBlock: (request) => reserve(store, reservations, request),
      commitBlock: async ({ blockId, reservation: id, pageChecksums }) => {
        const reservation = find(id, blockId)
        if (reservation === undefined) {
          if (store.has(blockId)) return {}
          throw new SkeinError('aborted', `block ${blockId} cannot be committed: its reservation has ended`, {
            reason: 'reservation_ended',
          })
        }
        try {
          await reservation.commit(pageChecksums)
        } finally {
          reservations.delete(id)
        }
        return {}
      },
      abortBlock: async ({ blockId, reservation: id }) => {
        await find(id, blockId)?.abort()
        reservations.delete(id)
        return {}
      },
      renewReservations: async (request) => {
        for (const id of request.reservations) reservations.get(id)?.touch()
        return {}
      },
      freeBlocks: async ({ blockIds }) => {
        for (const blockId of blockIds) await store.free(blockId)
        return {}
      },
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
    },
    sweep: async (ageMs) => {
      const aborted = await store.abortStale(ageMs)
      for (const [id, reservation] of reservations) if (reservation.ended) reservations.delete(id)
      return aborted
    },
  }
}

async function reserve(
  store: BlockStore,
  reservations: Map<string, BlockReservation>,
  { header }: ReserveBlockRequest,
): Promise<ReserveBlockResponse> {
  if (header === undefined) throw new SkeinError('invalid_argument', 'a reservation needs a block header')
  try {
    const reservation = await store.reserve(header)
    reservations.set(reservation.id, reservation)
    return { alreadyThere: false, path: reservation.path, reservation: reservation.id }
  } catch (thrown) {
    if (isSkeinError(thrown, 'already_exists', 'committed')) return { alreadyThere: true, path: '', reservation: '' }
    throw thrown
  }
}
