// Why: deleting what is not there succeeds, and deleting a directory must not delete what is in it.
// How: a key without a slash deletes a file only. A key with one makes a directory that a user made
// an ordinary one, which is gone with its last entry. Of many keys those that are deeper go first,
// so that directories are empty when it is their turn.
import { isSkeinError, toSkeinError } from '../../../base/errors.ts'
import type { FileSystem } from '../../../client/file-system.ts'
import { element, group } from '../../../base/xml/xml-write.ts'
import { xmlDocument } from '../answer/document.ts'
import { s3AnswerOf } from '../answer/error-mapping.ts'
import { s3Error } from '../answer/error-table.ts'
import { readDelete } from '../body/request-documents.ts'
import { documentReply, emptyReply, type S3Call, type S3Context, type S3Reply } from '../call/s3-call.ts'
import { checkedAddress, type ObjectAddress } from '../request/object-address.ts'
import { checkVersion, checkVersionId } from './call-fields.ts'
import { checkBucket, pathOf } from './object-access.ts'

const deletesAtOnce = 16

export async function deleteObject({ fileSystem }: S3Context, call: S3Call): Promise<S3Reply> {
  checkVersion(call)
  if (!(await deleteOne(fileSystem, call, call.signal))) await checkBucket(fileSystem, call.bucket, call)
  return emptyReply(204)
}

export async function deleteObjects({ fileSystem }: S3Context, call: S3Call): Promise<S3Reply> {
  const { bucket, signal } = call
  const { keys, isQuiet } = readDelete(await call.document())
  await checkBucket(fileSystem, bucket, call)
  const results = new Map<number, string>()
  const queue = keys.map((entry, index) => ({ ...entry, index })).toSorted((a, b) => order(b.key) - order(a.key))
  const work = async (): Promise<void> => {
    for (let next = queue.shift(); next !== undefined; next = queue.shift()) {
      const { key, versionId, index } = next
      try {
        checkVersionId(versionId)
        await deleteOne(fileSystem, checkedAddress(bucket, key), signal)
        if (!isQuiet) results.set(index, group('Deleted', element('Key', key)))
      } catch (thrown) {
        if (signal.aborted) throw thrown
        const { code, message } = s3AnswerOf(toSkeinError(thrown))
        const what = element('Key', key) + element('Code', code) + element('Message', message)
        results.set(index, group('Error', what))
      }
    }
  }
  // Directories wait until what was in them is gone.
  const directories = queue.splice(queue.findLastIndex(({ key }) => !key.endsWith('/')) + 1)
  await Promise.all(Array.from({ length: deletesAtOnce }, work))
  queue.push(...directories)
  await work()
  const inOrder = keys.map((_, index) => results.get(index) ?? '')
  return documentReply(xmlDocument('DeleteResult', ...inOrder))
}

/** Files first, then directories, the deepest first. */
function order(key: string): number {
  return key.endsWith('/') ? key.length : Number.MAX_SAFE_INTEGER
}

/** @returns whether there was something */
async function deleteOne(fileSystem: FileSystem, address: ObjectAddress, signal: AbortSignal): Promise<boolean> {
  const path = pathOf(address)
  try {
    const status = await fileSystem.stat(path, { signal })
    const isDirectory = status.kind === 'directory'
    if (isDirectory !== address.key.endsWith('/')) return true
    if (!isDirectory) await fileSystem.delete(path, { kind: 'file', signal })
    else if (status.isExplicit) await fileSystem.delete(path, { keepEntries: true, signal })
    else await refuseNameless(fileSystem, path, signal)
    return true
  } catch (thrown) {
    if (isSkeinError(thrown, 'not_found')) return false
    // A directory has come in the place of the object, which is gone.
    if (isSkeinError(thrown, 'failed_precondition', 'is_directory')) return true
    throw thrown
  }
}

/** An object `dir/` with bytes can be read, and not be deleted: its path names the directory. */
async function refuseNameless(fileSystem: FileSystem, path: string, signal: AbortSignal): Promise<void> {
  const handle = await fileSystem.open(path, { signal }).catch((thrown: unknown) => {
    if (isSkeinError(thrown, 'failed_precondition')) return undefined
    throw thrown
  })
  if (handle === undefined) return
  await handle.close()
  throw s3Error('NotImplemented', "An object whose key ends in '/' and that has bytes cannot be deleted.")
}
