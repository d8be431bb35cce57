// Why: every operation on an object first finds it, and says in the words of S3 when it is not
// there. How: a key without a slash at its end is a file only. A key with one is an object with
// bytes, or the directory of this name if a user made it; then it is empty.
import { isSkeinError, toSkeinError } from '../../../base/errors.ts'
import { formatPath } from '../../../base/paths.ts'
import type { ChunkMemory } from '../../../base/flow/lent-pieces.ts'
import type { CallSignal, FileRange, FileSystem, OpenOptions } from '../../../client/file-system.ts'
import { s3Error } from '../answer/error-table.ts'
import type { ObjectAddress } from '../request/object-address.ts'
import { objectOf, type ObjectView } from './object-view.ts'

/** An object that is open for reading, one version of it. */
export interface OpenObject {
  readonly view: ObjectView
  stream(range: FileRange, memory?: ChunkMemory): AsyncIterable<Uint8Array>
  /** Those of a short range, which must not be changed. */
  bytes(range: FileRange): Promise<Uint8Array>
  close(): Promise<void>
}

export function pathOf({ bucket, key }: ObjectAddress): string {
  return formatPath({ namespace: bucket, key })
}

/** @throws S3 NoSuchBucket */
export async function checkBucket(fileSystem: FileSystem, bucket: string, options: CallSignal): Promise<void> {
  try {
    await fileSystem.stat(pathOf({ bucket, key: '' }), options)
  } catch (thrown) {
    throw isSkeinError(thrown, 'not_found') ? s3Error('NoSuchBucket') : thrown
  }
}

/** What a failure on a path of a bucket means: a bucket that is not there, or what it says. */
export async function bucketFailure(
  thrown: unknown,
  fileSystem: FileSystem,
  bucket: string,
  options: CallSignal,
): Promise<unknown> {
  if (!isSkeinError(thrown, 'not_found')) return thrown
  return checkBucket(fileSystem, bucket, options).then(
    () => thrown,
    (other: unknown) => other,
  )
}

/** @throws S3 NoSuchKey, NoSuchBucket */
export async function findObject(
  fileSystem: FileSystem,
  address: ObjectAddress,
  options: CallSignal,
): Promise<ObjectView> {
  try {
    const status = await fileSystem.stat(pathOf(address), options)
    if (status.kind === 'file') return objectOf(status)
    if (!address.key.endsWith('/')) throw s3Error('NoSuchKey')
    if (status.isExplicit) return objectOf(status)
    const object = await openObject(fileSystem, address, options)
    await object.close()
    return object.view
  } catch (thrown) {
    throw await missing(thrown, fileSystem, address, options)
  }
}

/** Undefined: there is none. @throws S3 NoSuchBucket */
export async function existingObject(
  fileSystem: FileSystem,
  address: ObjectAddress,
  options: CallSignal,
): Promise<ObjectView | undefined> {
  try {
    return await findObject(fileSystem, address, options)
  } catch (thrown) {
    if (toSkeinError(thrown).reason === 'NoSuchKey') return undefined
    throw thrown
  }
}

/** @throws S3 NoSuchKey, NoSuchBucket */
export async function openObject(
  fileSystem: FileSystem,
  address: ObjectAddress,
  options: OpenOptions,
): Promise<OpenObject> {
  try {
    const handle = await fileSystem.open(pathOf(address), options)
    return {
      view: objectOf(handle.status),
      stream: (range, memory) => handle.stream(range, { ...options, memory }),
      bytes: (range) => handle.bytes(range, options),
      close: () => handle.close(),
    }
  } catch (thrown) {
    // A directory.
    if (!isSkeinError(thrown, 'failed_precondition')) throw await missing(thrown, fileSystem, address, options)
    return openDirectory(fileSystem, address, options)
  }
}

async function openDirectory(fileSystem: FileSystem, address: ObjectAddress, options: CallSignal): Promise<OpenObject> {
  if (!address.key.endsWith('/')) throw s3Error('NoSuchKey')
  const status = await fileSystem.stat(pathOf(address), options)
  if (status.kind !== 'directory' || !status.isExplicit) throw s3Error('NoSuchKey')
  return {
    view: objectOf(status),
    stream: () => noBytes(),
    bytes: () => Promise.resolve(new Uint8Array()),
    close: () => Promise.resolve(),
  }
}

async function* noBytes(): AsyncGenerator<Uint8Array> {}

async function missing(
  thrown: unknown,
  fileSystem: FileSystem,
  { bucket }: ObjectAddress,
  options: CallSignal,
): Promise<unknown> {
  const failure = await bucketFailure(thrown, fileSystem, bucket, options)
  return isSkeinError(failure, 'not_found') && failure.reason === undefined ? s3Error('NoSuchKey') : failure
}
