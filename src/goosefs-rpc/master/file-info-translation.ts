// Why: what the master says of a file, in the words of GooseFS's clients. How: pure. Clients
// compute with what they get and do not ask again: each file has a block size, each block of it is
// named whether it is cached or not, and zeros are sent. Fields: FileInfo of GooseFS's protocol,
// and how src/fs/uri_status.rs of the Rust client, 0.2.2, reads them.
import { blockCount, blockLength } from '../../base/block-id.ts'
import { SkeinError } from '../../base/errors.ts'
import type { FileInfo } from '../../wire/generated/master.ts'
import type { FileBlockInfo, FileInfo as NativeFileInfo } from '../generated/goosefs/files.ts'
import { nativeBlockId, nativeFileId } from '../ids/native-ids.ts'
import { checksumTypeName, checksumValueName } from './creation-options.ts'

/** One number for all mounts: nothing depends on it. */
export const mountId = 1n
/** Where nothing is known of a block size. */
const blockSizeDefault = 64 * 1024 ** 2
/** An answer of a client's size: it takes 4 MiB. */
const blocksMax = 50_000
/** Blocks of a file that a listing names; programs ask for the status of one that has more. */
const listedBlocksMax = 1000
const percent = 100

export interface TranslationContext {
  /** What writes below a directory do, unless they say. Undefined: not known. */
  readonly writePolicy?: string | undefined
}

/** Of a file or directory, without its blocks. */
export function nativeFileInfo(file: FileInfo, { writePolicy }: TranslationContext = {}): NativeFileInfo {
  const path = file.path.length > 1 ? file.path.replace(/\/+$/, '') : '/'
  const blockSizeBytes = file.blockSizeBytes > 0 ? file.blockSizeBytes : blockSizeDefault
  const share = (bytes: number): number =>
    file.length === 0 ? (file.folder ? 0 : percent) : Math.floor((bytes / file.length) * percent)
  return {
    fileId: nativeFileId(file.fileId),
    name: path.slice(path.lastIndexOf('/') + 1),
    path,
    ufsPath: file.ufsPath,
    length: BigInt(file.length),
    blockSizeBytes: file.folder ? 0n : BigInt(blockSizeBytes),
    creationTimeMs: milliseconds(file.createdMs > 0 ? file.createdMs : file.modifiedMs, 1),
    completed: true,
    folder: file.folder,
    cacheable: true,
    persisted: file.persistenceState === 'PERSISTED',
    blockIds: [],
    lastModificationTimeMs: milliseconds(file.modifiedMs, 0),
    owner: file.owner,
    group: file.group,
    mode: file.mode,
    persistenceState: file.persistenceState,
    mountPoint: file.mountPoint,
    fileBlockInfos: [],
    mountId,
    inGooseFSPercentage: share(file.cachedBytes),
    inMemoryPercentage: share(file.inMemoryBytes ?? 0),
    ufsFingerprint: file.etag,
    lastAccessTimeMs: milliseconds(file.accessedMs, 0),
    xattr: { ...checksumOf(file), ...(file.folder && writePolicy !== undefined && innerWriteType(writePolicy)) },
  }
}

/** As a listing has it: a file names its blocks, unless they are very many, and no workers. */
export function listedFileInfo(file: FileInfo): NativeFileInfo {
  const info = nativeFileInfo(file)
  const blocks = listedBlocks(file)
  for (let index = 0; index < blocks; index += 1) info.blockIds.push(nativeBlockId(file.fileId, index))
  return info
}

/** How many blocks of a file a listing names. */
export function listedBlocks({ folder, length, blockSizeBytes }: FileInfo): number {
  if (folder) return 0
  const blocks = blockCount(length, blockSizeBytes > 0 ? blockSizeBytes : blockSizeDefault)
  return blocks > listedBlocksMax ? 0 : blocks
}

/**
 * Of a file, with every block and the workers that have it.
 * @param locations workers of each block, by its index; no entry: none
 * @throws SkeinError failed_precondition: more blocks than a client can be told
 */
export function nativeFileWithBlocks(file: FileInfo, locations: readonly (readonly bigint[])[]): NativeFileInfo {
  const info = nativeFileInfo(file)
  const blockSizeBytes = Number(info.blockSizeBytes)
  const blocks = file.folder ? 0 : blockCount(file.length, blockSizeBytes)
  if (blocks > blocksMax)
    throw new SkeinError(
      'failed_precondition',
      `${info.path} has ${blocks} blocks, and clients of GooseFS take ${blocksMax} at most: use a larger block size`,
    )
  for (let index = 0; index < blocks; index += 1) {
    const blockId = nativeBlockId(file.fileId, index)
    info.blockIds.push(blockId)
    info.fileBlockInfos.push(blockInfo(file, index, blockId, locations[index] ?? []))
  }
  return info
}

function blockInfo(
  { length, blockSizeBytes }: FileInfo,
  index: number,
  blockId: bigint,
  workers: readonly bigint[],
): FileBlockInfo {
  const size = blockSizeBytes > 0 ? blockSizeBytes : blockSizeDefault
  return {
    blockInfo: {
      ...{ blockId, length: BigInt(blockLength(length, size, index)) },
      locations: workers.map((workerId) => ({ workerId })),
    },
    offset: BigInt(index * size),
    ufsStringLocations: [],
  }
}

function milliseconds(value: number, least: number): bigint {
  return BigInt(Math.max(least, Math.round(value)))
}

/** What CompleteFile said of the bytes: the type in one byte, the value in four, most first. */
function checksumOf({ clientMetadata }: FileInfo): Record<string, Uint8Array> {
  const { [checksumTypeName]: type, [checksumValueName]: value } = clientMetadata?.values ?? {}
  if (type === undefined || value === undefined) return {}
  const bytes = Buffer.alloc(4)
  bytes.writeUInt32BE(Number(value) >>> 0)
  return { CrcType: Buffer.from([Number(type) & 0xff]), CrcValue: bytes }
}

function innerWriteType(writePolicy: string): Record<string, Uint8Array> {
  return { innerWriteType: Buffer.from(writePolicy, 'ascii') }
}
