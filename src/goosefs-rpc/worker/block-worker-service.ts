// Why: the service of a worker for GooseFS's clients, on one page. How: one definition, served by
// tables of handlers.
import type { StreamMethod } from '../../wire/rpc/grpc-streams.ts'
import { BlockWorkerDefinition } from '../generated/goosefs/blocks.ts'
import { nativeService, type NativeServiceParts } from '../native-service.ts'
import type { BlockReads } from './block-reads.ts'
import type { BlockWrites } from './block-writes.ts'

export interface BlockWorkerParts extends NativeServiceParts {
  readonly reads: Pick<BlockReads, 'read'>
  readonly writes: Pick<BlockWrites, 'write'>
}

export function blockWorkerService({ reads, writes, ...parts }: BlockWorkerParts): StreamMethod[] {
  return nativeService(BlockWorkerDefinition, { readBlock: reads.read, writeBlock: writes.write }, parts)
}
