// Why: LMDB's file is written without waiting for the disk, so a power loss can tear it. LMDB
// cannot detect that, and a torn file may crash the process. So before the file is opened, it must
// be known whether it can be trusted, and there must be a replacement. How: a marker names the
// machine's boot in which the state was opened. A clean close syncs and removes it. A marker of the
// current boot means that only the process ended, so the kernel still has every write. A marker of
// another boot (or any marker, if boots have no name) means that power may have been lost. Then the
// last snapshot replaces the file. It was durable before the journal dropped any of its entries,
// and the journal supplies the later ones. The same happens if the last process ended inside LMDB
// or found a wrong value (state-use.ts), or if a problem is found now. The snapshot has a seal
// (sealed-snapshot.ts).
import { closeSync, openSync, readFileSync, readSync } from 'node:fs'
import { copyFile, constants } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { SkeinError } from '../../base/errors.ts'
import type { Logger } from '../../telemetry/logger.ts'
import type { JournalFileSystem } from '../disk/journal-files.ts'
import { readText, replaceFile } from '../disk/replace-file.ts'
import { copySealed, isSealedWhole, sealSnapshot } from './sealed-snapshot.ts'
import { lastUse, StateUse } from './state-use.ts'

export interface StateFilesOptions {
  readonly directory: string
  readonly fileSystem: JournalFileSystem
  /** The id of the machine's boot; undefined if there is none. */
  readonly bootId: string | undefined
  readonly logger: Logger
  /** Finds problems in data that would be trusted. May crash the process. */
  readonly problemsOf: (path: string, wasCheckpointed: boolean) => Promise<string[]>
}

const markerName = 'opened-in-boot'
const snapshotName = 'snapshot.mdb'
const partName = 'snapshot.mdb.part'
const useName = 'in-use'
/** Exists once there was a snapshot with a seal. From then on a sealed snapshot is required. */
const checkpointedName = 'checkpointed'
const asideName = 'data.mdb.damaged'
const dataName = 'data.mdb'
/** The data and all lock files that LMDB may create. */
const liveNames = [dataName, 'data.mdb-lock', 'lock.mdb']
/** Markers that do not name a boot. The data is not trusted if one of them exists. */
const restoring = 'restoring'
const unknownBoot = 'unknown'

export class StateFiles {
  readonly #options: StateFilesOptions
  #hasSnapshot: boolean

  private constructor(options: StateFilesOptions, hasSnapshot: boolean) {
    this.#options = options
    this.#hasSnapshot = hasSnapshot
  }

  /**
   * Creates the directory (mode 0700) and, if the data may be torn, replaces it with the snapshot.
   * LMDB may be opened then.
   * @throws SkeinError data_loss when a needed snapshot is missing or damaged; nothing was changed
   *   then
   */
  static async prepare(options: StateFilesOptions): Promise<StateFiles> {
    const { directory, fileSystem, bootId, logger } = options
    await fileSystem.makeDirectory(directory)
    await fileSystem.syncDirectory(dirname(directory))
    const names = await fileSystem.names(directory)
    const openedIn = await readText(fileSystem, join(directory, markerName))
    const hasSnapshot = names.includes(snapshotName)
    let use = lastUse(join(directory, useName))
    let isTrusted =
      use !== 'damaged' && (openedIn === undefined || (bootId !== undefined && openedIn === bootId && use === 'whole'))
    const problems = isTrusted && names.includes(dataName) ? await problemsIn(options, names) : []
    if (problems.length > 0) {
      logger.warn('found problems in the state', { directory, problems })
      use = 'damaged'
      isTrusted = false
    }
    if (!isTrusted || (hasSnapshot && !names.includes(dataName))) {
      const why = {
        whole: 'the machine may have lost power',
        inside: 'the last process ended during a state operation',
        damaged: 'the state was found damaged',
      }
      logger.warn(`${why[use]}: restoring the last snapshot and the journal after it`, { directory, hasSnapshot })
      await restore(options, names)
    }
    if (!isTrusted || openedIn === undefined)
      await replaceFile(fileSystem, join(directory, markerName), bootId ?? unknownBoot)
    return new StateFiles(options, hasSnapshot)
  }

  get dataPath(): string {
    return join(this.#options.directory, dataName)
  }

  /** For state-use.ts. */
  get usePath(): string {
    return join(this.#options.directory, useName)
  }

  /** The path of an unfinished snapshot, before `keepSnapshot`. */
  get partPath(): string {
    return join(this.#options.directory, partName)
  }

  get hasSnapshot(): boolean {
    return this.#hasSnapshot
  }

  /** Removes the rest of an interrupted snapshot. */
  async clearPart(): Promise<void> {
    const { directory, fileSystem } = this.#options
    if ((await fileSystem.names(directory)).includes(partName)) await fileSystem.remove(this.partPath)
  }

  /**
   * Copies the data to the part while the data is being written. The copy begins with `head`.
   * LMDB's own copy is not used, because it reads through the map, and all data would count as
   * memory of the process.
   */
  async copyData(head: Uint8Array): Promise<void> {
    await copyFile(this.dataPath, this.partPath, constants.COPYFILE_FICLONE)
    const file = await this.#options.fileSystem.open(this.partPath)
    try {
      await file.write(head, 0)
    } finally {
      await file.close()
    }
  }

  /** The current first bytes of the data. */
  head(bytes: number): Uint8Array {
    const head = Buffer.alloc(bytes)
    const file = openSync(this.dataPath, 'r')
    try {
      if (readSync(file, head, 0, bytes, 0) !== bytes)
        throw new Error(`${this.dataPath} is shorter than ${bytes} bytes`)
    } finally {
      closeSync(file)
    }
    return head
  }

  /**
   * Copies the snapshot to a new file. Does not sync. @throws SkeinError data_loss when it is
   * damaged
   */
  async copySnapshot(path: string): Promise<void> {
    await copySealed(join(this.#options.directory, snapshotName), path, false, constants.COPYFILE_EXCL)
  }

  /** The problems of the snapshot; empty: none. */
  async snapshotProblems(): Promise<string[]> {
    const { directory, fileSystem } = this.#options
    const names = await fileSystem.names(directory)
    if (!names.includes(snapshotName))
      return names.includes(checkpointedName) ? [`the snapshot in ${directory} is missing`] : []
    const isWhole = await isSealedWhole(join(directory, snapshotName), names.includes(checkpointedName))
    return isWhole ? [] : [`the snapshot in ${directory} is damaged`]
  }

  /** Makes the finished part the snapshot. Durable when it resolves. */
  async keepSnapshot(): Promise<void> {
    const { directory, fileSystem } = this.#options
    await sealSnapshot(this.partPath)
    const file = await fileSystem.open(this.partPath)
    try {
      await file.sync()
    } finally {
      await file.close()
    }
    await fileSystem.rename(this.partPath, join(directory, snapshotName))
    await fileSystem.syncDirectory(directory)
    this.#hasSnapshot = true
    if (!(await fileSystem.names(directory)).includes(checkpointedName))
      await replaceFile(fileSystem, join(directory, checkpointedName), '1')
  }

  /**
   * The data is on the disk and LMDB is closed: the next start may trust it, also after a power
   * loss.
   */
  async markClosed(): Promise<void> {
    const { directory, fileSystem } = this.#options
    // Sync the name of the data first: without the marker the data is trusted, so it must exist.
    await fileSystem.syncDirectory(directory)
    await fileSystem.remove(join(directory, markerName))
    await fileSystem.syncDirectory(directory)
  }
}

/** If the process is killed in here, the next start does not trust the data. */
async function problemsIn({ directory, problemsOf }: StateFilesOptions, names: readonly string[]): Promise<string[]> {
  const use = new StateUse(join(directory, useName))
  try {
    const problems = await use.during(() => problemsOf(join(directory, dataName), names.includes(checkpointedName)))
    if (problems.length > 0) use.markDamaged()
    return problems
  } finally {
    use.close()
  }
}

/**
 * After an interruption, it is repeated at the next start, because the marker does not name a boot
 * until the end.
 */
async function restore({ directory, fileSystem }: StateFilesOptions, names: readonly string[]): Promise<void> {
  const hasSnapshot = names.includes(snapshotName)
  const wasCheckpointed = names.includes(checkpointedName)
  const data = join(directory, dataName)
  const part = `${data}.part`
  if (!hasSnapshot && wasCheckpointed) {
    const why =
      `the data in ${directory} cannot be trusted, and its snapshot (${snapshotName}) is missing: ` +
      'put it back, or restore a backup into an empty home'
    throw new SkeinError('data_loss', why, { reason: 'home_incomplete' })
  }
  // Check and copy before anything is removed.
  if (hasSnapshot) await copySealed(join(directory, snapshotName), part, wasCheckpointed)
  await replaceFile(fileSystem, join(directory, markerName), restoring)
  // The journal has everything, but it is the only copy.
  if (!hasSnapshot && names.includes(dataName)) await fileSystem.rename(data, join(directory, asideName))
  for (const name of liveNames) {
    if (names.includes(name) && (hasSnapshot || name !== dataName)) await fileSystem.remove(join(directory, name))
  }
  // Not synced: after a power loss, it is restored again.
  if (hasSnapshot) await fileSystem.rename(part, data)
}

/** Linux names each boot. Undefined on other systems. */
export function currentBootId(): string | undefined {
  try {
    return readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim() || undefined
  } catch {
    return undefined
  }
}
