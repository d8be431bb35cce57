// Why: schedulers place work near the cached bytes. How: the blocks of a range from what the master
// says of an opened file. Pure.
import { blockLength } from '../../base/block-id.ts'
import type { OpenFileResponse } from '../../wire/generated/master.ts'
import { rangeWithin } from '../file-range.ts'
import type { FileRange } from '../file-system.ts'
import type { BlockLocation } from './amounts.ts'

/**
 * The blocks that overlap the range and have a replica on a live worker, in order.
 * @throws SkeinError invalid_argument for a range that is none
 */
export function blockLocationsOf({ file, blocks, workers }: OpenFileResponse, range: FileRange): BlockLocation[] {
  if (file === undefined) return []
  const { blockSizeBytes } = file
  const { offset, length } = rangeWithin(range, file.length)
  if (length === 0) return []
  const end = offset + length
  const hosts = new Map(workers.filter(({ live }) => live).map((worker) => [worker.workerId, worker.hostname]))
  const locations: BlockLocation[] = []
  for (let index = Math.floor(offset / blockSizeBytes); index * blockSizeBytes < end; index += 1) {
    const replicas = (blocks[index]?.workerIds ?? []).flatMap((id) => hosts.get(id) ?? [])
    if (replicas.length === 0) continue
    locations.push({
      offset: index * blockSizeBytes,
      length: blockLength(file.length, blockSizeBytes, index),
      hosts: [...new Set(replicas)],
    })
  }
  return locations
}
