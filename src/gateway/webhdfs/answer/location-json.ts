// Why: schedulers place work where blocks are, and expect a block for every byte of a file. How:
// pure functions that give both forms of Hadoop's answers. A block without a replica in the cache
// has no host: any worker reads it from the store.
import { blockLength } from '../../../base/block-id.ts'
import type { FileStatus } from '../../../client/file-system.ts'
import type { BlockLocation } from '../../../client/status/amounts.ts'

export interface LocatedRange {
  readonly offset: number
  readonly length: number
}

const rack = '/default-rack'
/** Ports of HDFS' own protocols, which no worker speaks. */
const noPort = 0
/** An empty token, as of HDFS without security. */
const emptyToken = 'AAAAAA'

/** All blocks that overlap the range, in order; those of `cached` have hosts. */
export function blocksOf(
  { length, blockSizeBytes }: FileStatus,
  range: LocatedRange,
  cached: readonly BlockLocation[],
): BlockLocation[] {
  if (range.length === 0) return []
  const hosts = new Map(cached.map((block) => [block.offset, block.hosts]))
  const end = Math.min(length, range.offset + range.length)
  const blocks: BlockLocation[] = []
  for (let index = Math.floor(range.offset / blockSizeBytes); index * blockSizeBytes < end; index += 1) {
    const offset = index * blockSizeBytes
    blocks.push({ offset, length: blockLength(length, blockSizeBytes, index), hosts: hosts.get(offset) ?? [] })
  }
  return blocks
}

/** The answer to GETFILEBLOCKLOCATIONS. */
export function blockLocationsJson(blocks: readonly BlockLocation[]): unknown {
  const locations = blocks.map(({ offset, length, hosts }) => ({
    cachedHosts: [],
    corrupt: false,
    hosts,
    length,
    names: hosts.map((host) => `${host}:${noPort}`),
    offset,
    storageTypes: hosts.map(() => 'DISK'),
    topologyPaths: hosts.map((host) => `${rack}/${host}`),
  }))
  return { BlockLocations: { BlockLocation: locations } }
}

/** The answer to GET_BLOCK_LOCATIONS. */
export function locatedBlocksJson({ fileId, length }: FileStatus, blocks: readonly BlockLocation[]): unknown {
  const located = blocks.map((block) => locatedBlock(fileId, block))
  return {
    LocatedBlocks: {
      fileLength: length,
      isLastBlockComplete: true,
      isUnderConstruction: false,
      lastLocatedBlock: located.at(-1) ?? null,
      locatedBlocks: located,
    },
  }
}

function locatedBlock(fileId: number, { offset, length, hosts }: BlockLocation): unknown {
  return {
    block: { blockId: fileId, blockPoolId: 'skein', generationStamp: 0, numBytes: length },
    blockToken: { urlString: emptyToken },
    cachedLocations: [],
    isCorrupt: false,
    locations: hosts.map((host) => ({
      ...{ adminState: 'NORMAL', hostName: host, ipAddr: host, name: `${host}:${noPort}`, storageID: host },
      ...{ networkLocation: rack, xferPort: noPort, infoPort: noPort, infoSecurePort: noPort, ipcPort: noPort },
      ...{ capacity: 0, dfsUsed: 0, remaining: 0, blockPoolUsed: 0, lastUpdate: 0, xceiverCount: 0 },
    })),
    startOffset: offset,
    storageTypes: hosts.map(() => 'DISK'),
  }
}
