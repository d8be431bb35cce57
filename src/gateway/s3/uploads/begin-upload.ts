// Why: an upload begins with what its object will have, and can be given up at any time.
import { element } from '../../../base/xml/xml-write.ts'
import { xmlDocument } from '../answer/document.ts'
import { notImplemented, s3Error } from '../answer/error-table.ts'
import { algorithmNamed, checksumTable } from '../body/checksum-algorithms.ts'
import { documentReply, emptyReply, type S3Call, type S3Context, type S3Reply } from '../call/s3-call.ts'
import type { HeaderFields } from '../request/header-fields.ts'
import { storedFields } from '../objects/call-fields.ts'
import type { UploadRecord } from './upload-metadata.ts'
import { newUploadId, UploadRecords } from './stored-uploads.ts'

export async function createMultipartUpload(context: S3Context, call: S3Call): Promise<S3Reply> {
  const { fileSystem, clock, uploadExpiryMs } = context
  const { bucket, key, headers, caller } = call
  if (key.endsWith('/')) throw notImplemented("An upload of an object whose key ends in '/'")
  const startedMs = clock.nowMs()
  const id = newUploadId(startedMs)
  const [fields, checksum] = [storedFields(headers), askedChecksum(headers)]
  const record = { id, key, initiator: caller.id, startedMs, fields, checksum, completed: undefined }
  await new UploadRecords(fileSystem, bucket, call).put(record, uploadExpiryMs)
  return documentReply(
    xmlDocument(
      'InitiateMultipartUploadResult',
      element('Bucket', bucket),
      element('Key', key),
      element('UploadId', id),
    ),
    {
      'x-amz-checksum-algorithm': checksum?.algorithm.toUpperCase(),
      'x-amz-checksum-type': checksum?.type,
    },
  )
}

export async function abortMultipartUpload({ fileSystem }: S3Context, call: S3Call): Promise<S3Reply> {
  const records = new UploadRecords(fileSystem, call.bucket, call)
  const { id } = await records.findOpen(call.key, call.query.get('uploadId'))
  await records.remove(id)
  return emptyReply(204)
}

/** @throws S3 InvalidRequest */
function askedChecksum(headers: HeaderFields): UploadRecord['checksum'] {
  const [name, type] = [headers.get('x-amz-checksum-algorithm'), headers.get('x-amz-checksum-type')]
  if (name === undefined) {
    if (type !== undefined)
      throw s3Error(
        'InvalidRequest',
        'The x-amz-checksum-type header can only be used with the x-amz-checksum-algorithm header.',
      )
    return undefined
  }
  const algorithm = algorithmNamed(name)
  if (algorithm === undefined) throw s3Error('InvalidRequest', 'Checksum algorithm provided is unsupported.')
  const { defaultType, fullObject } = checksumTable[algorithm]
  const asked = type ?? defaultType
  const isPossible = asked === 'FULL_OBJECT' ? fullObject : asked === 'COMPOSITE' && algorithm !== 'crc64nvme'
  if (!isPossible)
    throw s3Error(
      'InvalidRequest',
      `The ${asked.slice(0, 100)} checksum type cannot be used with the ${algorithm} checksum algorithm.`,
    )
  return { algorithm, type: asked === 'FULL_OBJECT' ? 'FULL_OBJECT' : 'COMPOSITE' }
}
