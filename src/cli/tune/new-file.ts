// Why: a file that a command writes for the user must not replace another by accident, and must not
// be found to be in the way after a long listing. How: the name is checked first. What replaces
// another file is written beside it and takes its name when it is whole.
import { rename, rm, stat, writeFile } from 'node:fs/promises'
import { SkeinError } from '../../base/errors.ts'
import { localPath, localUri, onLocal } from '../fs/local-path.ts'

export interface NewFile {
  readonly path: string
  readonly write: (text: string) => Promise<void>
}

/**
 * @param uniqueId a new unique word
 * @throws SkeinError invalid_argument, already_exists, what the system says of the path
 */
export async function newFile(text: string, overwrite: boolean, uniqueId: () => string): Promise<NewFile> {
  const path = localPath(text)
  const exists = (): SkeinError =>
    new SkeinError('already_exists', `${localUri(path)} exists: remove it, give another name, or use --overwrite`)
  const before = await onLocal(path, () => stat(path).catch(undefinedIfAbsent))
  if (before?.isDirectory() === true) throw new SkeinError('failed_precondition', `${localUri(path)} is a directory`)
  if (before !== undefined && !overwrite) throw exists()
  const write = (content: string): Promise<void> =>
    onLocal(path, async () => {
      const fresh = overwrite ? `${path}.${uniqueId()}.tmp` : path
      try {
        await writeFile(fresh, content, { flag: 'wx' })
        if (overwrite) await rename(fresh, path)
      } catch (thrown) {
        if ((thrown as NodeJS.ErrnoException).code === 'EEXIST') throw exists()
        await rm(fresh, { force: true })
        throw thrown
      }
    })
  return { path, write }
}

function undefinedIfAbsent(thrown: NodeJS.ErrnoException): undefined {
  if (thrown.code === 'ENOENT') return undefined
  throw thrown
}
