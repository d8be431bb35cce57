// Why: a load of one file that is known is told what is known of it, also that the store has no
// object of it. How: the same for loads that keep their files aside and for those that do not.
// Pure.
import type { FileInode } from '../../meta/meta-tables.ts'
import type { SyncedObject } from '../store/synced-page.ts'

const notPersistedProblem = 'the file was written here and is not persisted: there is no object to load'

export function knownObject(key: string, file: FileInode): SyncedObject {
  const { length, etag, storageClass, modifiedMs, crc64 } = file
  return {
    fileId: file.id,
    object: { key, length, etag, storageClass, modifiedMs, crc64 },
    blockSizeBytes: file.blockSizeBytes,
    problem: file.persisted ? '' : notPersistedProblem,
  }
}
