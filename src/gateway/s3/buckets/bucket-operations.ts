// Why: buckets are namespaces, which the command line makes and removes; the root mount is none.
// How: they are listed, looked at and refused; what S3 says of a bucket and a namespace does not
// have is answered as empty.
import { element, group } from '../../../base/xml/xml-write.ts'
import { isSkeinError } from '../../../base/errors.ts'
import { documentTime, xmlDocument } from '../answer/document.ts'
import { notImplemented, s3Error } from '../answer/error-table.ts'
import { documentReply, emptyReply, type S3Call, type S3Context, type S3Reply } from '../call/s3-call.ts'
import { placeOfToken, tokenOf } from '../listing/continuation-token.ts'
import { countOf } from '../request/query-fields.ts'
import { checkBucket, pathOf } from '../objects/object-access.ts'

const bucketsMax = 10_000

/** Those that the caller may read. */
export async function listBuckets({ fileSystem, region }: S3Context, call: S3Call): Promise<S3Reply> {
  const { query, caller, signal } = call
  const prefix = query.get('prefix') ?? ''
  const max = countOf(query.get('max-buckets'), 'max-buckets', bucketsMax)
  const token = query.get('continuation-token') ?? ''
  const listing = ['', prefix]
  const after = token === '' ? '' : placeOfToken(token, listing).after
  const wantedRegion = query.get('bucket-region') ?? region
  const found: { readonly name: string; readonly createdMs: number }[] = []
  for await (const page of fileSystem.list('/', { signal }))
    for (const { name, createdMs, isMountPoint } of page)
      if (isMountPoint && name.startsWith(prefix) && name > after && caller.may('read', name))
        found.push({ name, createdMs })
  const all = wantedRegion === region ? found.toSorted((a, b) => (a.name < b.name ? -1 : 1)) : []
  const buckets = all.slice(0, max)
  const last = buckets.at(-1)?.name
  const next = last === undefined || all.length <= max ? undefined : tokenOf({ after: last, isPrefix: false }, listing)
  const elements = buckets.map(({ name, createdMs }) =>
    group(
      'Bucket',
      element('Name', name),
      element('CreationDate', documentTime(createdMs)),
      element('BucketRegion', region),
    ),
  )
  return documentReply(
    xmlDocument(
      'ListAllMyBucketsResult',
      ownerElement(caller.id),
      group('Buckets', ...elements),
      element('ContinuationToken', next),
      element('Prefix', prefix === '' ? undefined : prefix),
    ),
  )
}

export async function headBucket({ fileSystem, region }: S3Context, call: S3Call): Promise<S3Reply> {
  await checkBucket(fileSystem, call.bucket, call)
  return emptyReply(200, { 'x-amz-bucket-region': region })
}

/** The region that is called `us-east-1` has no name here, as at S3. */
export async function getBucketLocation({ fileSystem, region }: S3Context, call: S3Call): Promise<S3Reply> {
  await checkBucket(fileSystem, call.bucket, call)
  return documentReply(xmlDocument('LocationConstraint', region === 'us-east-1' ? '' : region))
}

/** Never enabled. */
export async function getBucketVersioning({ fileSystem }: S3Context, call: S3Call): Promise<S3Reply> {
  await checkBucket(fileSystem, call.bucket, call)
  return documentReply(xmlDocument('VersioningConfiguration'))
}

export async function getBucketTagging({ fileSystem }: S3Context, call: S3Call): Promise<S3Reply> {
  await checkBucket(fileSystem, call.bucket, call)
  throw s3Error('NoSuchTagSet')
}

export async function deleteBucketTagging({ fileSystem }: S3Context, call: S3Call): Promise<S3Reply> {
  await checkBucket(fileSystem, call.bucket, call)
  return emptyReply(204)
}

export async function createBucket({ fileSystem }: S3Context, call: S3Call): Promise<S3Reply> {
  const exists = await fileSystem.stat(pathOf({ bucket: call.bucket, key: '' }), call).then(
    ({ isMountPoint }) => isMountPoint,
    (thrown: unknown) => {
      if (isSkeinError(thrown, 'not_found')) return false
      throw thrown
    },
  )
  if (exists) throw s3Error('BucketAlreadyOwnedByYou')
  throw notImplemented(`CreateBucket ('skein ns create ${call.bucket} URI' creates a namespace, which is a bucket)`)
}

export async function deleteBucket({ fileSystem }: S3Context, call: S3Call): Promise<S3Reply> {
  await checkBucket(fileSystem, call.bucket, call)
  throw notImplemented(`DeleteBucket ('skein ns delete ${call.bucket}' removes a namespace, which is a bucket)`)
}

/** The owner of everything: who asks. */
export function ownerElement(callerId: string, name = 'Owner'): string {
  return group(name, element('ID', callerId), element('DisplayName', callerId))
}
