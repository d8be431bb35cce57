// Why: after a restart the files are the only record of what is cached. How: every file's footer is
// read (not its data, which is checked on each read), a bounded number of files at a time; what is
// no whole block is deleted, what is not ours by its name is left alone.
import { throwIfAborted } from '../../base/clock.ts'
import { decodeFooter, footerLengthOf, usualFooterBytesMax } from '../disk/block-file.ts'
import type { BlockHeader } from '../block-store.ts'
import {
  closeFile,
  diskError,
  hasErrno,
  openFile,
  readFileFlags,
  readFully,
  removeFile,
  statFile,
} from '../disk/disk-calls.ts'
import { blockIdOfFile, type DirectoryLayout, foldersPresent, namesInFolder } from '../disk/directory-layout.ts'

const filesAtOnce = 32

export interface ScanResult {
  readonly blocks: readonly BlockHeader[]
  /** Files with a block's name that were no whole block of that name; deleted. */
  readonly tornFiles: number
  /** Files with other names; left alone. */
  readonly foreignFiles: number
}

/** @throws SkeinError unavailable when the disk fails, or the signal's reason */
export async function scanDirectory(layout: DirectoryLayout, signal: AbortSignal): Promise<ScanResult> {
  const blocks: BlockHeader[] = []
  let tornFiles = 0
  let foreignFiles = 0
  try {
    for (const [index, folder] of await foldersPresent(layout)) {
      throwIfAborted(signal)
      await inLanes(await namesInFolder(folder), async (name) => {
        const blockId = blockIdOfFile(index, name)
        if (blockId === undefined) {
          foreignFiles += 1
          return
        }
        const header = await readHeader(`${folder}/${name}`)
        if (header?.blockId === blockId) blocks.push(header)
        else {
          tornFiles += 1
          await removeFile(`${folder}/${name}`)
        }
      })
    }
  } catch (thrown) {
    throw diskError(thrown, `scanning block directory ${layout.path}`)
  }
  return { blocks, tornFiles, foreignFiles }
}

async function inLanes(names: readonly string[], each: (name: string) => Promise<void>): Promise<void> {
  let next = 0
  const lane = async (): Promise<void> => {
    for (let name = names[next++]; name !== undefined; name = names[next++]) await each(name)
  }
  await Promise.all(Array.from({ length: Math.min(filesAtOnce, names.length) }, lane))
}

async function readHeader(path: string): Promise<BlockHeader | undefined> {
  let fd: number
  try {
    fd = await openFile(path, readFileFlags)
  } catch (thrown) {
    if (hasErrno(thrown, 'ELOOP', 'ENOENT')) return undefined
    throw thrown
  }
  try {
    const stats = await statFile(fd)
    if (!stats.isFile()) return undefined
    let tail = await readTail(fd, stats.size, usualFooterBytesMax)
    const footerBytes = footerLengthOf(tail) ?? 0
    if (footerBytes > tail.length && footerBytes <= stats.size) tail = await readTail(fd, stats.size, footerBytes)
    return decodeFooter(tail, stats.size)?.header
  } finally {
    await closeFile(fd)
  }
}

async function readTail(fd: number, fileBytes: number, bytes: number): Promise<Uint8Array> {
  const tail = Buffer.allocUnsafe(Math.min(fileBytes, bytes))
  return tail.subarray(0, await readFully(fd, tail, fileBytes - tail.length))
}
