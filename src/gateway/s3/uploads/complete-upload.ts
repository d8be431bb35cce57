// Why: an object in parts appears whole, in one step, or not at all. How: the parts are checked,
// then read in order and written as one file, which is closed at the end (object-writing.ts). A
// door that ends in the middle leaves no object and all parts, so the client can ask again. What
// came of an upload is remembered for a while, because a client that lost the answer asks again,
// too.
import { hash } from 'node:crypto'
import { isSkeinError, toSkeinError } from '../../../base/errors.ts'
import type { FileStatus, FileSystem } from '../../../client/file-system.ts'
import { element } from '../../../base/xml/xml-write.ts'
import { xmlDocument } from '../answer/document.ts'
import { s3Error } from '../answer/error-table.ts'
import { checksumHeader, checksumTable, type RunningChecksum } from '../body/checksum-algorithms.ts'
import { type CompletedPart, readComplete } from '../body/request-documents.ts'
import { documentReply, type S3Call, type S3Context, type S3Reply } from '../call/s3-call.ts'
import { writeCondition } from '../request/conditions.ts'
import { conditionHeaders } from '../objects/call-fields.ts'
import { clientMetadata, type StoredChecksum, storedChecksum } from '../objects/client-metadata.ts'
import { checksumElements } from '../objects/copy-objects.ts'
import { pathOf } from '../objects/object-access.ts'
import { writableAs, writeObject } from '../objects/object-writing.ts'
import { partChecksumsText, partSizesText } from '../objects/part-sizes.ts'
import type { UploadRecord } from './upload-metadata.ts'
import { UploadRecords } from './stored-uploads.ts'

const leastPartBytes = 5 * 1024 * 1024
const rememberedMs = 3_600_000

interface ChosenPart {
  readonly number: number
  readonly etag: string
  readonly status: FileStatus
}

export async function completeMultipartUpload(context: S3Context, call: S3Call): Promise<S3Reply> {
  const records = new UploadRecords(context.fileSystem, call.bucket, call)
  const uploadId = call.query.get('uploadId')
  const record = await records.find(call.key, uploadId)
  const asked = withoutRepeated(readComplete(await call.document()))
  if (record.completed !== undefined) return completed(call, record.completed)
  try {
    return await completeNow(context, call, records, record, asked)
  } catch (thrown) {
    // A client that gave up waiting asks again while its first call goes on. That one takes the
    // parts away, and its object is in the way of a condition.
    const now = await records.find(call.key, uploadId).catch(() => undefined)
    if (now?.completed === undefined) throw thrown
    return completed(call, now.completed)
  }
}

async function completeNow(
  context: S3Context,
  call: S3Call,
  records: UploadRecords,
  record: UploadRecord,
  asked: readonly CompletedPart[],
): Promise<S3Reply> {
  const { fileSystem, logger } = context
  const { bucket, key, headers, signal } = call
  const parts = await chosenParts(records, record, asked)
  checkWhole(call, record, parts)
  const as = await writableAs(fileSystem, call, writeCondition(conditionHeaders(headers)), signal)
  const running = record.checksum?.type === 'FULL_OBJECT' ? checksumTable[record.checksum.algorithm].begin() : undefined
  const { contentType, userMetadata } = record.fields
  let result: NonNullable<UploadRecord['completed']> | undefined
  await writeObject(
    fileSystem,
    call,
    { ...as, contentType, userMetadata, signal },
    bytesOf(context, records, record, parts, running, signal),
    () => {
      result = { etag: composedEtag(parts), checksum: composedChecksum(record, parts, running) }
      checkChecksum(call, result.checksum)
      const sizes = partSizesText(parts.map(({ status }) => status.length))
      const partChecksums = partChecksumsText(
        parts.map(({ status }) => storedChecksum(status.clientMetadata ?? {})?.text),
      )
      return { clientMetadata: clientMetadata({ ...record.fields, ...result, parts: sizes, partChecksums }) }
    },
  )
  if (result === undefined) throw new Error('an upload was completed without its digests')
  try {
    await records.put({ ...record, completed: result }, Math.min(rememberedMs, context.uploadExpiryMs))
    await records.removeParts(record.id)
  } catch (thrown) {
    // The object is there. What is left of the upload goes when its time is over.
    logger.warn('parts of a completed upload could not be removed yet', { bucket, key, error: toSkeinError(thrown) })
  }
  return completed(call, result)
}

/** @throws S3 InvalidPartOrder, InvalidPart, EntityTooSmall */
async function chosenParts(
  records: UploadRecords,
  { id }: UploadRecord,
  asked: readonly CompletedPart[],
): Promise<ChosenPart[]> {
  if (asked.some(({ number }, index) => index > 0 && number <= (asked[index - 1]?.number ?? 0)))
    throw s3Error('InvalidPartOrder')
  const stored = new Map<number, FileStatus>()
  for await (const { number, status } of records.parts(id)) stored.set(number, status)
  const parts = asked.map(({ number, etag, checksum }) => {
    const status = stored.get(number)
    const own = status?.clientMetadata ?? {}
    const known = storedChecksum(own)
    const isSame = checksum === undefined || (known?.algorithm === checksum.algorithm && known.text === checksum.text)
    if (status === undefined || own['etag'] !== etag || !isSame) throw s3Error('InvalidPart')
    return { number, etag, status }
  })
  if (parts.slice(0, -1).some(({ status }) => status.length < leastPartBytes)) throw s3Error('EntityTooSmall')
  return parts
}

/** Of a part that was sent again and is named twice in a row, the last is meant. */
function withoutRepeated(asked: readonly CompletedPart[]): readonly CompletedPart[] {
  return asked.filter(({ number }, index) => asked[index + 1]?.number !== number)
}

/** What the request says of the whole object. @throws S3 InvalidRequest */
function checkWhole({ headers }: S3Call, { checksum }: UploadRecord, parts: readonly ChosenPart[]): void {
  const type = headers.get('x-amz-checksum-type')
  if (type !== undefined && type !== checksum?.type)
    throw s3Error('InvalidRequest', `The upload was not created with the checksum type ${type.slice(0, 100)}.`)
  const size = headers.get('x-amz-mp-object-size')
  const bytes = parts.reduce((sum, { status }) => sum + status.length, 0)
  if (size !== undefined && size !== String(bytes))
    throw s3Error(
      'InvalidRequest',
      `The provided 'x-amz-mp-object-size' ${size.slice(0, 100)} does not match what was computed: ${bytes}`,
    )
}

/** @throws S3 BadDigest */
function checkChecksum({ headers }: S3Call, checksum: StoredChecksum | undefined): void {
  if (checksum === undefined) return
  const expected = headers.get(checksumHeader(checksum.algorithm))
  if (expected !== undefined && expected.replace(/-\d+$/, '') !== checksum.text.replace(/-\d+$/, ''))
    throw s3Error(
      'BadDigest',
      `The ${checksum.algorithm.toUpperCase()} you specified did not match the calculated checksum.`,
    )
}

/**
 * The bytes of the parts, in order. @throws S3 InvalidPart for a part that is another one by now
 */
async function* bytesOf(
  { fileSystem }: { readonly fileSystem: FileSystem },
  records: UploadRecords,
  { id }: UploadRecord,
  parts: readonly ChosenPart[],
  running: RunningChecksum | undefined,
  signal: AbortSignal,
): AsyncGenerator<Uint8Array> {
  for (const { number, status } of parts) {
    const handle = await fileSystem
      .open(pathOf(records.partAddress(id, number)), { signal })
      .catch((thrown: unknown) => {
        throw isSkeinError(thrown, 'not_found') ? s3Error('InvalidPart') : thrown
      })
    try {
      if (handle.status.fileId !== status.fileId) throw s3Error('InvalidPart')
      for await (const chunk of handle.stream({ offset: 0 }, { signal })) {
        running?.update(chunk)
        yield chunk
      }
    } finally {
      await handle.close()
    }
  }
}

/** The MD5 of the parts' MD5s, and their number, as at S3. */
function composedEtag(parts: readonly ChosenPart[]): string {
  const digests = Buffer.concat(parts.map(({ etag }) => Buffer.from(etag, 'hex')))
  return `${hash('md5', digests)}-${parts.length}`
}

function composedChecksum(
  { checksum }: UploadRecord,
  parts: readonly ChosenPart[],
  running: RunningChecksum | undefined,
): StoredChecksum | undefined {
  if (checksum === undefined) return undefined
  const { algorithm, type } = checksum
  if (running !== undefined) return { algorithm, type, text: running.digest().toString('base64') }
  const whole = checksumTable[algorithm].begin()
  for (const { status } of parts)
    whole.update(Buffer.from(storedChecksum(status.clientMetadata ?? {})?.text ?? '', 'base64'))
  return { algorithm, type, text: `${whole.digest().toString('base64')}-${parts.length}` }
}

function completed(
  { bucket, key, headers }: S3Call,
  { etag, checksum }: NonNullable<UploadRecord['completed']>,
): S3Reply {
  const path = `/${bucket}/${key}`.split('/').map(encodeURIComponent).join('/')
  return documentReply(
    xmlDocument(
      'CompleteMultipartUploadResult',
      element('Location', `http://${headers.get('host') ?? ''}${path}`),
      element('Bucket', bucket),
      element('Key', key),
      element('ETag', `"${etag}"`),
      checksumElements(checksum),
    ),
  )
}
