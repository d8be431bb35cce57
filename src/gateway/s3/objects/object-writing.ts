// Why: an object is there whole, with its digests and its metadata, or it is not there. How: the
// file is written while the content arrives, and closed only after the content was found to be what
// its sender meant. Conditions are looked at first, so that a client that waits to send its body is
// told at once, and again when the file is closed.
import { type SkeinError, toSkeinError } from '../../../base/errors.ts'
import type { CreateOptions, FileStatus, FileSystem, ObjectMetadata } from '../../../client/file-system.ts'
import { s3Error } from '../answer/error-table.ts'
import type { ObjectAddress } from '../request/object-address.ts'
import { matches, type WriteCondition } from '../request/conditions.ts'
import { bucketFailure, existingObject, pathOf } from './object-access.ts'

type Condition = Pick<CreateOptions, 'ifExists' | 'ifFileId'>

/**
 * What the file system is told of a condition.
 * @throws S3 PreconditionFailed, NoSuchKey if it does not hold now
 */
export async function writableAs(
  fileSystem: FileSystem,
  address: ObjectAddress,
  condition: WriteCondition | undefined,
  signal: AbortSignal,
): Promise<Condition> {
  if (condition === undefined) return { ifExists: 'overwrite' }
  const found = await existingObject(fileSystem, address, { signal })
  if (found === undefined) {
    if (condition.kind === 'match') throw s3Error('NoSuchKey')
    return { ifExists: 'exclusive' }
  }
  const isMatch = condition.kind !== 'absent' && matches(condition.etags, found.etags, 'strong')
  if (isMatch !== (condition.kind === 'match') || condition.kind === 'absent') throw s3Error('PreconditionFailed')
  return { ifExists: 'overwrite', ifFileId: found.fileId }
}

/**
 * Writes a file from chunks.
 * @param metadata called after the last chunk, for what is known only then
 * @throws S3 NoSuchBucket, and errors of the chunks and of the file system; nothing is written then
 */
export async function writeObject(
  fileSystem: FileSystem,
  address: ObjectAddress,
  options: CreateOptions & { readonly signal: AbortSignal },
  chunks: AsyncIterable<Uint8Array>,
  metadata: () => Partial<ObjectMetadata>,
): Promise<FileStatus> {
  const fail = async (thrown: unknown): Promise<unknown> => {
    const failure = await bucketFailure(thrown, fileSystem, address.bucket, options)
    return writeFailure(toSkeinError(failure), options)
  }
  const created = fileSystem.create(pathOf(address), { ...options, asObject: true })
  const output = await created.catch(async (thrown: unknown) => {
    throw await fail(thrown)
  })
  try {
    for await (const chunk of chunks) await output.write(chunk)
    return await output.close(metadata())
  } catch (thrown) {
    await output.abort()
    throw await fail(thrown)
  }
}

/** What replaces whatever is there can be refused only because a directory is there. */
function writeFailure(error: SkeinError, { ifExists }: CreateOptions): SkeinError {
  if (error.code !== 'already_exists' || ifExists !== 'overwrite') return error
  return s3Error('InvalidRequest', error.message)
}
