// Why: PutObject stores an object, or a directory if the key ends in `/`. How: see
// object-writing.ts. A directory is an empty object; it has neither metadata nor tags.
import type { FileSystem } from '../../../client/file-system.ts'
import { notImplemented } from '../answer/error-table.ts'
import type { ContentDigests } from '../body/checked-content.ts'
import { emptyReply, type S3Call, type S3Context, type S3Reply } from '../call/s3-call.ts'
import type { ObjectAddress } from '../request/object-address.ts'
import { writeCondition } from '../request/conditions.ts'
import { conditionHeaders, type StoredFields, storedFields } from './call-fields.ts'
import { checksumHeaders, clientMetadata, type StoredChecksum } from './client-metadata.ts'
import { bucketFailure, pathOf } from './object-access.ts'
import { writableAs, writeObject } from './object-writing.ts'
import { objectOf, type ObjectView } from './object-view.ts'

export async function putObject({ fileSystem }: S3Context, call: S3Call): Promise<S3Reply> {
  const { signal, headers } = call
  const fields = storedFields(headers)
  const condition = await writableAs(fileSystem, call, writeCondition(conditionHeaders(headers)), signal)
  if (call.key.endsWith('/')) {
    checkDirectory(call.contentBytes, fields)
    const content = call.content()
    for await (const chunk of content) checkDirectory(chunk.length, fields)
    const view = await makeDirectory(fileSystem, call, signal)
    return emptyReply(200, { etag: `"${view.etag}"` })
  }
  const content = call.content()
  const facts = (): ReturnType<typeof clientMetadata> => clientMetadata({ ...fields, ...digestFacts(content.digests) })
  const { contentType, userMetadata } = fields
  const length = call.contentBytes === undefined ? {} : { length: call.contentBytes }
  const options = { ...condition, contentType, userMetadata, ...length, signal }
  await writeObject(fileSystem, call, options, content, () => ({ clientMetadata: facts() }))
  const { etag, checksum } = digestFacts(content.digests)
  return emptyReply(200, { etag: `"${etag}"`, ...checksumHeaders(checksum) })
}

/** @throws S3 NoSuchBucket, and errors of the file system */
export async function makeDirectory(
  fileSystem: FileSystem,
  address: ObjectAddress,
  signal: AbortSignal,
): Promise<ObjectView> {
  const path = pathOf(address)
  try {
    await fileSystem.makeDirectory(path, { asObject: true, signal })
    return objectOf(await fileSystem.stat(path, { signal }))
  } catch (thrown) {
    throw await bucketFailure(thrown, fileSystem, address.bucket, { signal })
  }
}

/** What is stored of the digests of a content that came in one piece. */
export function digestFacts({ md5, checksum }: ContentDigests): {
  readonly etag: string
  readonly checksum: StoredChecksum | undefined
} {
  if (checksum === undefined) return { etag: md5, checksum }
  const { algorithm, value } = checksum
  return { etag: md5, checksum: { algorithm, text: value.toString('base64'), type: 'FULL_OBJECT' } }
}

/** @throws S3 NotImplemented */
export function checkDirectory(bytes: number | undefined, fields: Omit<StoredFields, 'contentType'>): void {
  if ((bytes ?? 0) > 0) throw notImplemented("Content of an object whose key ends in '/'")
  const { userMetadata, contentHeaders, tags } = fields
  if (Object.keys({ ...userMetadata, ...contentHeaders }).length > 0 || tags !== '')
    throw notImplemented("Metadata of an object whose key ends in '/'")
}
