// Why: a job worker's report about a new version of a file must be checked. A file id that the
// master does not hold for that path would be audited as another file, or as a freed one, and count
// as loaded. How: the master is asked for each reported version, and only its answer is used.
import { isSkeinError, SkeinError } from '../../base/errors.ts'
import { stagingOf, type LoadRecord } from '../../load/load.ts'
import type { FileReplacement } from '../../wire/generated/job.ts'
import type { MasterServiceDefinition } from '../../wire/generated/master.ts'
import type { Service } from '../../wire/service.ts'

/** Requests to the master in flight. */
const asksMax = 16

/**
 * Returns the new versions that the master holds. They may be newer than the reported ones. A
 * deleted file stays deleted.
 * @throws SkeinError invalid_argument for a file without a new version, and what the master throws
 */
export async function heldVersions(
  master: Pick<Service<MasterServiceDefinition>, 'refreshFile'>,
  load: LoadRecord,
  named: readonly FileReplacement[],
  signal: AbortSignal,
): Promise<FileReplacement[]> {
  const held: FileReplacement[] = []
  for (let from = 0; from < named.length; from += asksMax) {
    const part = named.slice(from, from + asksMax)
    held.push(...(await Promise.all(part.map((version) => heldVersion(master, load, version, signal)))))
  }
  return held
}

async function heldVersion(
  master: Pick<Service<MasterServiceDefinition>, 'refreshFile'>,
  load: LoadRecord,
  version: FileReplacement,
  signal: AbortSignal,
): Promise<FileReplacement> {
  const { oldFileId, key } = version
  if (version.fileId === 0) return version
  try {
    const request = { namespaceId: load.namespaceId, key, ...stagingOf(load, 0) }
    const { file } = await master.refreshFile(request, { signal })
    if (file === undefined) throw new SkeinError('internal', `the master's answer has no entry for ${key}`)
    if (file.problem !== '') throw new SkeinError('failed_precondition', file.problem)
    if (file.fileId === oldFileId)
      throw new SkeinError(
        'invalid_argument',
        `the completion of a set names a new version of ${key}, and the master has none`,
      )
    const { fileId, etag, length, blockSizeBytes } = file
    return { oldFileId, fileId, key, etag, length, blockSizeBytes }
  } catch (thrown) {
    // With a reason, the bucket or the namespace is missing, not the object.
    if (!isSkeinError(thrown, 'not_found') || thrown.reason !== undefined) throw thrown
    return { ...version, fileId: 0, etag: '', length: 0, blockSizeBytes: 0 }
  }
}
