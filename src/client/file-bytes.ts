// Why: commands that read files read the version that the store has when they begin. How: a handle
// keeps one version, the one that the master knows. If the store has another one before the first
// byte came, the file is opened again.
import { isSkeinError } from '../base/errors.ts'
import type { FileRange, FileSystem } from './file-system.ts'

/**
 * Yields the bytes of a file, or of the range that `rangeOf` chooses by its length.
 * @throws SkeinError as FileSystem.open and FileHandle.stream
 */
export async function* fileBytes(
  files: Pick<FileSystem, 'open'>,
  path: string,
  signal: AbortSignal,
  rangeOf: (length: number) => FileRange = () => ({ offset: 0 }),
): AsyncGenerator<Uint8Array, void, undefined> {
  for (let isAgain = false; ; isAgain = true) {
    const handle = await files.open(path, { signal })
    let hasBegun = false
    try {
      for await (const chunk of handle.stream(rangeOf(handle.status.length), { signal })) {
        hasBegun = true
        yield chunk
      }
      return
    } catch (thrown) {
      if (hasBegun || isAgain || !isSkeinError(thrown, 'aborted', 'object_changed')) throw thrown
    } finally {
      await handle.close()
    }
  }
}
