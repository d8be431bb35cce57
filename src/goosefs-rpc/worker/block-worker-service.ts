// Why: the service of a worker for GooseFS's clients, on one page. How: one definition, served by
// tables of handlers.
import type { StreamMethod } from '../../wire/rpc/grpc-streams.ts'
import { BlockWorkerDefinition } from '../generated/goosefs/blocks.ts'
import { nativeService, type NativeServiceParts } from '../native-service.ts'
import type { BlockReads } from './block-reads.ts'
import type { BlockWrites } from './block-writes.ts'
import { cachedBlockHandlers, type CachedBlocksParts } from './cached-blocks.ts'
import { LocalBlockOpens } from './local-block-opens.ts'

export interface BlockWorkerParts extends NativeServiceParts {
  readonly reads: Pick<BlockReads, 'read'>
  readonly writes: Pick<BlockWrites, 'write'>
  readonly cached: CachedBlocksParts
}

export function blockWorkerService({ reads, writes, cached, ...parts }: BlockWorkerParts): StreamMethod[] {
  const { openLocal } = new LocalBlockOpens(cached)
  return nativeService(
    BlockWorkerDefinition,
    { readBlock: reads.read, writeBlock: writes.write, openLocalBlock: openLocal, ...cachedBlockHandlers(cached) },
    parts,
  )
}
