// Why: a load is no faster than the disk that it writes to, so the speed of each directory is
// measured before settings are chosen. How: a file below `temp` is written piece by piece, synced
// and deleted; what is left behind by a crash is deleted at the next start. Only writes: what was
// just written is read from memory, which tells nothing of the disk.
import { randomFillSync, randomUUID } from 'node:crypto'
import { statfs } from 'node:fs/promises'
import { type Clock, throwIfAborted } from '../../base/clock.ts'
import { SkeinError } from '../../base/errors.ts'
import { speedProbePath } from './directory-layout.ts'
import { closeFile, diskError, newFileFlags, openFile, removeFile, syncFile, writeFully } from './disk-calls.ts'

const pieceBytes = 1024 * 1024
/** So that a measurement never fills a disk. */
const leftFree = 4

export interface WriteSpeed {
  readonly bytes: number
  /** The sync included. */
  readonly ms: number
}

/**
 * Writes at most `bytesMax` bytes for about `msMax`; a sync that has begun is waited for.
 * @throws SkeinError resource_exhausted when the disk has less than four times the room,
 *   unavailable and failed_precondition when it fails, the signal's reason
 */
export async function measureWrites(
  path: string,
  { bytesMax, msMax }: { readonly bytesMax: number; readonly msMax: number },
  clock: Pick<Clock, 'monotonicMs'>,
  signal: AbortSignal,
): Promise<WriteSpeed> {
  const file = speedProbePath(path, randomUUID())
  try {
    const { bavail, bsize } = await statfs(path)
    if (bavail * bsize < leftFree * bytesMax)
      throw new SkeinError('resource_exhausted', `a measurement needs ${leftFree * bytesMax} free bytes`)
    const fd = await openFile(file, newFileFlags)
    try {
      return await writeAndSync(fd, bytesMax, msMax, clock, signal)
    } finally {
      await closeFile(fd)
      await removeFile(file)
    }
  } catch (thrown) {
    throwIfAborted(signal)
    throw diskError(thrown, 'not measured')
  }
}

async function writeAndSync(
  fd: number,
  bytesMax: number,
  msMax: number,
  clock: Pick<Clock, 'monotonicMs'>,
  signal: AbortSignal,
): Promise<WriteSpeed> {
  // Zeros would be fast on a disk that compresses.
  const piece = randomFillSync(Buffer.alloc(Math.min(pieceBytes, bytesMax)))
  const beganMs = clock.monotonicMs()
  let bytes = 0
  while (bytes < bytesMax && clock.monotonicMs() - beganMs < msMax) {
    throwIfAborted(signal)
    const part = piece.subarray(0, Math.min(piece.length, bytesMax - bytes))
    await writeFully(fd, [part], bytes)
    bytes += part.length
  }
  await syncFile(fd)
  return { bytes, ms: clock.monotonicMs() - beganMs }
}
