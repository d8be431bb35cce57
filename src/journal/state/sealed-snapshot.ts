// Why: a snapshot is used to restore a state, so its integrity must be known before. How: its
// length, its CRC-32 and a magic word follow the data. LMDB never sees them, because a copy is cut
// to its data. Snapshots of the previous version have no seal.
import { constants, type PathLike } from 'node:fs'
import { copyFile, type FileHandle, open } from 'node:fs/promises'
import { crc32 } from '../../base/checksum/crc32.ts'
import { SkeinError } from '../../base/errors.ts'

const word = Buffer.from('SKEINSN1')
/** Length (u64), CRC-32 (u32), the magic word. */
const sealBytes = 12 + word.length
const chunkBytes = 1024 ** 2

/** Appends the seal to the data. Does not sync. */
export async function sealSnapshot(path: string): Promise<void> {
  await withFile(path, constants.O_RDWR, async (file) => {
    const { size } = await file.stat()
    const seal = Buffer.alloc(sealBytes)
    seal.writeBigUInt64LE(BigInt(size), 0)
    seal.writeUInt32LE(await checksum(file, size), 8)
    word.copy(seal, 12)
    await file.write(seal, 0, sealBytes, size)
  })
}

/**
 * Copies the data of a snapshot without its seal, and verifies every byte. Does not sync.
 * @throws SkeinError data_loss when it is damaged, or lacks a required seal
 */
export async function copySealed(path: string, to: string, mustBeSealed: boolean, flags = 0): Promise<void> {
  const bytes = await dataBytes(path, mustBeSealed)
  await copyFile(path, to, flags | constants.COPYFILE_FICLONE)
  await withFile(to, constants.O_RDWR, (file) => file.truncate(bytes))
}

/** Reads the whole snapshot. Returns whether it is intact. */
export async function isSealedWhole(path: string, mustBeSealed: boolean): Promise<boolean> {
  try {
    await dataBytes(path, mustBeSealed)
    return true
  } catch (thrown) {
    if (thrown instanceof SkeinError) return false
    throw thrown
  }
}

/** The number of bytes before the seal, all verified. */
function dataBytes(path: string, mustBeSealed: boolean): Promise<number> {
  return withFile(path, constants.O_RDONLY, async (file) => {
    const { size } = await file.stat()
    const seal = Buffer.alloc(sealBytes)
    const isSealed =
      size >= sealBytes &&
      (await file.read(seal, 0, sealBytes, size - sealBytes)).bytesRead === sealBytes &&
      seal.subarray(12).equals(word)
    if (!isSealed) {
      if (mustBeSealed) throw damaged(path)
      return size
    }
    const length = Number(seal.readBigUInt64LE(0))
    if (length !== size - sealBytes || (await checksum(file, length)) !== seal.readUInt32LE(8)) throw damaged(path)
    return length
  })
}

async function checksum(file: FileHandle, bytes: number): Promise<number> {
  const chunk = Buffer.allocUnsafe(chunkBytes)
  let crc = 0
  for (let at = 0; at < bytes;) {
    const { bytesRead } = await file.read(chunk, 0, Math.min(chunkBytes, bytes - at), at)
    if (bytesRead === 0) return -1
    crc = crc32(chunk.subarray(0, bytesRead), crc)
    at += bytesRead
  }
  return crc
}

async function withFile<T>(path: PathLike, flags: number, use: (file: FileHandle) => Promise<T>): Promise<T> {
  const file = await open(path, flags | constants.O_NOFOLLOW)
  try {
    return await use(file)
  } finally {
    await file.close()
  }
}

function damaged(path: string): SkeinError {
  return new SkeinError(
    'data_loss',
    `the snapshot ${path} is damaged, and the data next to it may be damaged, too: restore a backup into an empty home`,
  )
}
