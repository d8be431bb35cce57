// Why: whoever can read the bytes of a file again need not give up when a worker fails after more
// of a block than is kept for another one (file-system.ts). How: the file is written again from its
// start, a few times.
import { isSkeinError } from '../../base/errors.ts'
import type { FileStatus, FileSystem } from '../file-system.ts'

const attemptsMax = 3

/**
 * Creates the file `path` of exactly `length` bytes. A file that cannot be completed never becomes
 * visible.
 * @param chunks the bytes from their start, each time it is called
 * @throws SkeinError as FileSystem.create and the methods of its output; what `chunks` throws
 */
export async function writeWhole(
  files: Pick<FileSystem, 'create'>,
  path: string,
  length: number,
  chunks: () => AsyncIterable<Uint8Array>,
  signal: AbortSignal,
): Promise<FileStatus> {
  for (let attempt = 1; ; attempt += 1) {
    const output = await files.create(path, { length, signal })
    try {
      for await (const chunk of chunks()) await output.write(chunk)
      return await output.close()
    } catch (thrown) {
      if (attempt >= attemptsMax || !isSkeinError(thrown, 'unavailable', 'block_lost')) throw thrown
    } finally {
      await output.abort()
    }
  }
}
