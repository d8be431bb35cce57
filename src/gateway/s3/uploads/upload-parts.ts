// Why: parts are stored as they come, in any order, and again if they come again. How: each is a
// file of its own (stored-uploads.ts), written like an object.
import { element } from '../../../base/xml/xml-write.ts'
import { documentTime, xmlDocument } from '../answer/document.ts'
import { s3Error } from '../answer/error-table.ts'
import { type CheckedContent, digested } from '../body/checked-content.ts'
import { algorithmOfHeader, checksumAlgorithms, checksumHeader } from '../body/checksum-algorithms.ts'
import { documentReply, emptyReply, type S3Call, type S3Context, type S3Reply } from '../call/s3-call.ts'
import { copyRangeOf } from '../request/byte-ranges.ts'
import { checksumFields, checksumHeaders, type StoredChecksum } from '../objects/client-metadata.ts'
import { checksumElement, openSource } from '../objects/copy-objects.ts'
import { digestFacts } from '../objects/write-objects.ts'
import { writeObject } from '../objects/object-writing.ts'
import type { UploadRecord } from './upload-metadata.ts'
import { UploadRecords } from './stored-uploads.ts'

const partNumberMax = 10_000

interface StoredPart {
  readonly etag: string
  readonly checksum: StoredChecksum | undefined
  readonly modifiedMs: number
}

export async function uploadPart(context: S3Context, call: S3Call): Promise<S3Reply> {
  const number = partNumber(call)
  const records = new UploadRecords(context.fileSystem, call.bucket, call)
  const record = await records.findOpen(call.key, call.query.get('uploadId'))
  checkAlgorithm(call, record)
  const { etag, checksum } = await storePart(context, call, record, number, call.content(record.checksum?.algorithm))
  return emptyReply(200, { etag: `"${etag}"`, ...checksumHeaders(checksum), 'x-amz-checksum-type': undefined })
}

export async function uploadPartCopy(context: S3Context, call: S3Call): Promise<S3Reply> {
  const number = partNumber(call)
  const records = new UploadRecords(context.fileSystem, call.bucket, call)
  const record = await records.findOpen(call.key, call.query.get('uploadId'))
  const source = await openSource(context, call)
  try {
    const { size } = source.view
    const range = copyRangeOf(call.headers.get('x-amz-copy-source-range'), size) ?? { offset: 0, length: size }
    const content = digested(
      source.stream(range),
      range.length,
      record.checksum?.algorithm,
      context.digests.ofShared(range.length),
    )
    const { etag, checksum, modifiedMs } = await storePart(context, call, record, number, content)
    return documentReply(
      xmlDocument(
        'CopyPartResult',
        element('LastModified', documentTime(modifiedMs)),
        element('ETag', `"${etag}"`),
        checksumElement(checksum),
      ),
    )
  } finally {
    await source.close()
  }
}

async function storePart(
  { fileSystem, uploadExpiryMs }: S3Context,
  call: S3Call,
  record: UploadRecord,
  number: number,
  content: CheckedContent,
): Promise<StoredPart> {
  const records = new UploadRecords(fileSystem, call.bucket, call)
  const options = {
    ...({ ifExists: 'overwrite', signal: call.signal } as const),
    ttl: { ms: uploadExpiryMs, action: 'DELETE' } as const,
  }
  const { modifiedMs } = await writeObject(fileSystem, records.partAddress(record.id, number), options, content, () => {
    const { etag, checksum } = digestFacts(content.digests)
    return { clientMetadata: { etag, ...(checksum !== undefined && checksumFields(checksum)) } }
  })
  try {
    await records.findOpen(call.key, record.id)
  } catch (thrown) {
    // It was ended meanwhile, and whoever did that did not see this part.
    await records.removePart(record.id, number)
    throw thrown
  }
  return { ...digestFacts(content.digests), modifiedMs }
}

/** @throws S3 InvalidArgument */
function partNumber({ query }: S3Call): number {
  const text = query.get('partNumber') ?? ''
  const number = /^\d{1,5}$/.test(text) ? Number(text) : 0
  if (number < 1 || number > partNumberMax)
    throw s3Error('InvalidArgument', `Part number must be an integer between 1 and ${partNumberMax}, inclusive`)
  return number
}

/** @throws S3 InvalidRequest when a part has another checksum than its upload */
function checkAlgorithm({ headers }: S3Call, { checksum }: UploadRecord): void {
  if (checksum === undefined) return
  const inHeader = checksumAlgorithms.find((algorithm) => headers.has(checksumHeader(algorithm)))
  const given = inHeader ?? algorithmOfHeader((headers.get('x-amz-trailer') ?? '').trim().toLowerCase())
  if (given === undefined || given === checksum.algorithm) return
  throw s3Error(
    'InvalidRequest',
    `Checksum Type mismatch occurred, expected checksum Type: ${checksum.algorithm}, actual checksum Type: ${given}`,
  )
}
