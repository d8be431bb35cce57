// Why: durable blocks of a cluster that another one took over have ids that mean something else
// there, and are the only copies of their bytes. How: their files move out of the store,
// `<directory>/set-aside/<cluster id>/<block id>`: a second name first, synced, before the store
// lets the block go, so that a crash at any moment leaves it in one place at least, and doing it
// again is harmless. Nothing deletes them but `releaseSetAside`.
import { constants } from 'node:fs'
import { link, lstat, mkdir, open, readdir, realpath, unlink } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { SkeinError } from '../../base/errors.ts'
import { decodeFooter, footerLengthOf, usualFooterBytesMax } from '../disk/block-file.ts'
import type { BlockHeader, BlockReader, BlockStore } from '../block-store.ts'
import { hasErrno, syncDirectory } from '../disk/disk-calls.ts'
import { openLocated } from './located-block.ts'

const folderName = 'set-aside'
const namePattern = /^[0-9a-f]{14}$/
const clusterPattern = /^[\w-]{1,64}$/

export interface SetAsideBlock {
  readonly clusterId: string
  readonly header: BlockHeader
  readonly path: string
}

/**
 * Takes a durable block out of the store. A block that is not there (any more) is passed over.
 * @throws the store's and the disk's errors
 */
export async function setAside(
  store: Pick<BlockStore, 'has' | 'open' | 'free'>,
  blockId: number,
  clusterId: string,
): Promise<void> {
  if (!clusterPattern.test(clusterId))
    throw new SkeinError('invalid_argument', `'${clusterId.slice(0, 100)}' is no id of a cluster`)
  if (!store.has(blockId)) return
  const reader = await store.open(blockId)
  try {
    const { place } = reader
    // Durable blocks are files of their own (block-directory.ts).
    if (place === undefined || place.dataOffset !== 0)
      throw new SkeinError('internal', `block ${blockId} is in no file of its own`)
    const folder = join(dirname(dirname(dirname(place.path))), folderName, clusterId)
    await mkdir(folder, { recursive: true, mode: 0o700 })
    await link(place.path, join(folder, blockId.toString(16).padStart(14, '0'))).catch((thrown: unknown) => {
      if (!hasErrno(thrown, 'EEXIST')) throw thrown
    })
    for (const path of [folder, dirname(folder), dirname(dirname(folder))]) await syncDirectory(path)
  } finally {
    await reader.close()
  }
  await store.free(blockId)
}

/** What was set aside in these directories. Files that are no blocks are passed over. */
export async function listSetAside(directories: readonly string[]): Promise<SetAsideBlock[]> {
  const found: SetAsideBlock[] = []
  for (const directory of directories) {
    const root = join(await realpath(directory).catch(() => directory), folderName)
    for (const clusterId of (await namesIn(root)).filter((name) => clusterPattern.test(name))) {
      for (const name of (await namesIn(join(root, clusterId))).filter((one) => namePattern.test(one))) {
        const path = join(root, clusterId, name)
        const header = await headerOf(path)
        if (header !== undefined) found.push({ clusterId, header, path })
      }
    }
  }
  return found
}

/** Its pages are checked as they are read. The caller closes it. */
export async function openSetAside({ path, header }: SetAsideBlock): Promise<BlockReader> {
  const { size } = await lstat(path)
  return openLocated({ path, dataOffset: 0, headOffset: header.length, headBytes: size - header.length }, header)
}

/** Deletes its bytes for good. */
export async function releaseSetAside({ path }: SetAsideBlock): Promise<void> {
  await unlink(path)
}

async function headerOf(path: string): Promise<BlockHeader | undefined> {
  const file = await open(path, constants.O_RDONLY | constants.O_NOFOLLOW)
  try {
    const { size } = await file.stat()
    for (let bytes = Math.min(size, usualFooterBytesMax); ;) {
      const tail = Buffer.alloc(bytes)
      const { bytesRead } = await file.read(tail, 0, bytes, size - bytes)
      const needed = footerLengthOf(tail.subarray(0, bytesRead))
      if (needed === undefined || needed > size) return undefined
      if (needed <= bytesRead) return decodeFooter(tail.subarray(0, bytesRead), size)?.header
      bytes = needed
    }
  } finally {
    await file.close()
  }
}

async function namesIn(path: string): Promise<string[]> {
  try {
    return (await readdir(path)).toSorted()
  } catch (thrown) {
    if (hasErrno(thrown, 'ENOENT') || hasErrno(thrown, 'ENOTDIR')) return []
    throw thrown
  }
}
