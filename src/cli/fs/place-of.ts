// Why: a copy goes to a path, or into it where it is a directory; copyFromLocal and cp mean the
// same by it.
import { isSkeinError } from '../../base/errors.ts'
import { pathOfText } from '../../base/paths.ts'
import type { CommandContext, FileTarget } from '../frame/context.ts'

/**
 * Where a file or directory of this name goes. @throws SkeinError invalid_argument for a name that
 * no key can have
 */
export async function placeOf(
  context: CommandContext,
  { path, files }: Pick<FileTarget, 'path' | 'files'>,
  name: string,
): Promise<string> {
  if (path.endsWith('/')) return below(path, name)
  try {
    const { kind } = await files.stat(path, { signal: context.signal })
    return kind === 'directory' ? below(path, name) : path
  } catch (thrown) {
    if (isSkeinError(thrown, 'not_found')) return path
    throw thrown
  }
}

/** @throws SkeinError invalid_argument for a name that no key can have */
export function below(path: string, name: string): string {
  return pathOfText(`${path.replace(/\/$/, '')}/${name}`)
}
