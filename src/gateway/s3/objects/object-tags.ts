// Why: tags are set and read without the object's bytes. How: they are a field of its client
// metadata; the version stays.
import { element, group } from '../../../base/xml/xml-write.ts'
import { xmlDocument } from '../answer/document.ts'
import { s3Error } from '../answer/error-table.ts'
import { readTagging } from '../body/request-documents.ts'
import { documentReply, emptyReply, type S3Call, type S3Context, type S3Reply } from '../call/s3-call.ts'
import { tagsOf, tagText } from '../request/tag-sets.ts'
import { checkVersion } from './call-fields.ts'
import { findObject, pathOf } from './object-access.ts'

export async function getObjectTagging({ fileSystem }: S3Context, call: S3Call): Promise<S3Reply> {
  checkVersion(call)
  const { clientMetadata } = await findObject(fileSystem, call, call)
  const tags = tagsOf(clientMetadata['tags'] ?? '')
  const elements = tags.map(({ key, value }) => group('Tag', element('Key', key), element('Value', value)))
  return documentReply(xmlDocument('Tagging', group('TagSet', ...elements)))
}

export async function putObjectTagging(context: S3Context, call: S3Call): Promise<S3Reply> {
  checkVersion(call)
  await setTags(context, call, tagText(readTagging(await call.document())))
  return emptyReply(200)
}

export async function deleteObjectTagging(context: S3Context, call: S3Call): Promise<S3Reply> {
  checkVersion(call)
  await setTags(context, call, '')
  return emptyReply(204)
}

async function setTags({ fileSystem }: S3Context, call: S3Call, tags: string): Promise<void> {
  const view = await findObject(fileSystem, call, call)
  if (call.key.endsWith('/'))
    throw s3Error('NotImplemented', "Tags of an object whose key ends in '/' are not implemented.")
  const { tags: _before, ...others } = view.clientMetadata
  // An object that came from the store has no ETag of a client; it keeps that of the store.
  const metadata = tags === '' ? others : { ...others, tags }
  await fileSystem.setAttributes(pathOf(call), { clientMetadata: metadata, signal: call.signal })
}
