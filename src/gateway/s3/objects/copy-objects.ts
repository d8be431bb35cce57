// Why: CopyObject stores an object again, under another name or with other metadata. How: the bytes
// of one version are read and written by the door, so that the copy has an MD5 of its own, whoever
// wrote the source.
import { element } from '../../../base/xml/xml-write.ts'
import { documentTime, xmlDocument } from '../answer/document.ts'
import { s3Error } from '../answer/error-table.ts'
import { digested } from '../body/checked-content.ts'
import { algorithmNamed, type ChecksumAlgorithm, checksumTable } from '../body/checksum-algorithms.ts'
import { documentReply, type S3Call, type S3Context, type S3Reply } from '../call/s3-call.ts'
import { evaluated, writeCondition } from '../request/conditions.ts'
import { copySource, directive } from '../request/copy-source.ts'
import { contentHeaderNames } from '../request/given-metadata.ts'
import { conditionHeaders, type StoredFields, storedFields } from './call-fields.ts'
import { clientMetadata, type StoredChecksum, storedChecksum } from './client-metadata.ts'
import { type OpenObject, openObject } from './object-access.ts'
import { objectOf, type ObjectView } from './object-view.ts'
import { writableAs, writeObject } from './object-writing.ts'
import { checkDirectory, digestFacts, makeDirectory } from './write-objects.ts'

export async function copyObject(context: S3Context, call: S3Call): Promise<S3Reply> {
  const { fileSystem, digests } = context
  const { headers, signal } = call
  const [metadataDirective, tagDirective] = [
    directive(headers, 'x-amz-metadata-directive'),
    directive(headers, 'x-amz-tagging-directive'),
  ]
  const condition = writeCondition(conditionHeaders(headers))
  const given = storedFields(headers)
  const algorithm = askedAlgorithm(call)
  const source = await openSource(context, call)
  try {
    const isSelf = source.bucket === call.bucket && source.key === call.key
    if (isSelf && metadataDirective === 'COPY' && tagDirective === 'COPY')
      throw s3Error(
        'InvalidRequest',
        'This copy request is illegal because it is trying to copy an object to itself without changing the ' +
          "object's metadata, storage class, website redirect location or encryption attributes.",
      )
    const { view } = source
    const kept = storedOf(view)
    const fields = {
      ...(metadataDirective === 'COPY' ? kept : given),
      tags: tagDirective === 'COPY' ? kept.tags : given.tags,
    }
    const as = await writableAs(fileSystem, call, condition, signal)
    if (call.key.endsWith('/')) {
      checkDirectory(view.size, fields)
      return copied(await makeDirectory(fileSystem, call, signal), undefined)
    }
    const chunks = source.stream({ offset: 0, length: view.size })
    const wanted = algorithm ?? storedChecksum(view.clientMetadata)?.algorithm
    const content = digested(chunks, view.size, wanted, digests.ofShared(view.size))
    const { contentType, userMetadata } = fields
    const options = { ...as, contentType, userMetadata, signal }
    const status = await writeObject(fileSystem, call, options, content, () => ({
      clientMetadata: clientMetadata({ ...fields, ...digestFacts(content.digests) }),
    }))
    return copied(objectOf(status), digestFacts(content.digests).checksum)
  } finally {
    await source.close()
  }
}

interface CopySource extends OpenObject {
  readonly bucket: string
  readonly key: string
}

/**
 * The source of a copy, open. @throws S3 AccessDenied, NoSuchKey, NoSuchBucket, PreconditionFailed,
 * and those of copySource
 */
export async function openSource({ fileSystem, buckets, onSource }: S3Context, call: S3Call): Promise<CopySource> {
  const address = copySource(call.headers)
  if (!call.caller.may('read', address.bucket)) throw s3Error('AccessDenied')
  await buckets.check(address.bucket, call)
  const source = await openObject(fileSystem, address, { signal: call.signal, onSource })
  const conditions = conditionHeaders(call.headers, 'x-amz-copy-source-')
  if (evaluated(conditions, source.view) === 'go') return { ...source, ...address }
  await source.close()
  throw s3Error('PreconditionFailed')
}

function askedAlgorithm({ headers }: S3Call): ChecksumAlgorithm | undefined {
  const name = headers.get('x-amz-checksum-algorithm')
  if (name === undefined) return undefined
  const algorithm = algorithmNamed(name)
  if (algorithm === undefined) throw s3Error('InvalidRequest', 'Checksum algorithm provided is unsupported.')
  return algorithm
}

/** What an object has stored, to store it again. */
function storedOf({ contentType, userMetadata, clientMetadata: stored }: ObjectView): StoredFields {
  const contentHeaders: Record<string, string> = {}
  for (const name of contentHeaderNames) if (stored[name] !== undefined) contentHeaders[name] = stored[name]
  return { contentType, userMetadata, contentHeaders, tags: stored['tags'] ?? '' }
}

function copied({ etag, modifiedMs }: ObjectView, checksum: StoredChecksum | undefined): S3Reply {
  return documentReply(
    xmlDocument(
      'CopyObjectResult',
      element('LastModified', documentTime(modifiedMs)),
      element('ETag', `"${etag}"`),
      checksumElements(checksum),
    ),
  )
}

/** As elements of a document. */
export function checksumElements(checksum: StoredChecksum | undefined): string {
  if (checksum === undefined) return ''
  return checksumElement(checksum) + element('ChecksumType', checksum.type)
}

/** Without its type. */
export function checksumElement(checksum: StoredChecksum | undefined): string {
  return checksum === undefined ? '' : element(checksumTable[checksum.algorithm].element, checksum.text)
}
