// Why: what a job worker says of a new version of a file is one process's word: a file id that the
// master does not hold for that path would be audited as somebody else's file, or as one that was
// freed, and count as loaded. How: the master is asked for each of them, and only what it says is
// planned.
import { isSkeinError, SkeinError } from '../../base/errors.ts'
import { stagingOf, type LoadRecord } from '../../load/load.ts'
import type { FileReplacement } from '../../wire/generated/job.ts'
import type { MasterServiceDefinition } from '../../wire/generated/master.ts'
import type { Service } from '../../wire/service.ts'

/** Questions to the master at once. */
const asksMax = 16

/**
 * The new versions as the master holds them, which may be newer ones than those that the job worker
 * names. A file that is gone stays so.
 * @throws SkeinError invalid_argument for a file that has no new version, and what the master says
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
    if (file === undefined) throw new SkeinError('internal', `the answer of the master has no entry for ${key}`)
    if (file.problem !== '') throw new SkeinError('failed_precondition', file.problem)
    if (file.fileId === oldFileId)
      throw new SkeinError(
        'invalid_argument',
        `the completion of a set names a new version of ${key}, and the master has none`,
      )
    const { fileId, etag, length, blockSizeBytes } = file
    return { oldFileId, fileId, key, etag, length, blockSizeBytes }
  } catch (thrown) {
    // With a reason it is not the object that is gone, but its bucket or namespace.
    if (!isSkeinError(thrown, 'not_found') || thrown.reason !== undefined) throw thrown
    return { ...version, fileId: 0, etag: '', length: 0, blockSizeBytes: 0 }
  }
}
