// Why: programs save a file by writing a new one and renaming it over the old one, and nobody must
// ever see neither. How: the master moves a file to a free name only, so the bytes are written to
// the target as a file that overwrites, which takes the place of the old one in one step. Then the
// source is removed; if that fails, both are there.
import { SkeinError } from '../../base/errors.ts'
import type { CallSignal, FileSystem } from '../file-system.ts'

/** @throws SkeinError failed_precondition when one of them is a directory */
export async function replaceByCopy(
  files: Pick<FileSystem, 'stat' | 'open' | 'create' | 'delete'>,
  from: string,
  to: string,
  options: CallSignal,
): Promise<void> {
  const source = await files.stat(from, options)
  if (source.kind === 'directory' || (await files.stat(to, options)).kind === 'directory')
    throw new SkeinError('failed_precondition', `${from} cannot replace ${to}: a directory takes no place of a file`)
  const { owner, group, mode, contentType, userMetadata, clientMetadata } = source
  const file = await files.open(from, { ...options, maxAgeMs: 0 })
  try {
    const output = await files.create(to, {
      ...options,
      ...{ owner, group, mode, contentType, userMetadata, length: file.status.length, ifExists: 'overwrite' },
      ...(clientMetadata !== undefined && { clientMetadata }),
    })
    try {
      for await (const chunk of file.stream({ offset: 0 }, options)) await output.write(chunk)
      await output.close()
    } catch (thrown) {
      await output.abort()
      throw thrown
    }
  } finally {
    await file.close()
  }
  await files.delete(from, options)
}
