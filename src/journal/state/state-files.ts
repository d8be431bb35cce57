// Why: LMDB's file is written without waiting for the disk, so a power loss can tear it, and LMDB
// cannot tell: a torn file may end the process. So it must be known, before it is opened, whether
// it can be trusted, and there must be another one. How: a marker names the machine's boot in which
// the state was opened; a clean close takes it away, after a sync. A marker of this boot means that
// only the process ended, so the kernel still has every write. A marker of another boot (any
// marker, where boots have no name) means that power may have been lost: the file is replaced by
// the last snapshot, a copy that was durable before the journal forgot anything up to it; the
// journal gives what came after. The same is done where the last process ended inside LMDB or found
// a wrong value (state-use.ts), or where something is found wrong now. The snapshot has a seal
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
  /** What names the machine's boot; undefined where nothing does. */
  readonly bootId: string | undefined
  readonly logger: Logger
  /** What is wrong with data that is to be trusted. May end the process. */
  readonly problemsOf: (path: string, wasCheckpointed: boolean) => Promise<string[]>
}

const markerName = 'opened-in-boot'
const snapshotName = 'snapshot.mdb'
const partName = 'snapshot.mdb.part'
const useName = 'in-use'
/** Is there once there has been a snapshot with a seal: no other is taken then, and not none. */
const checkpointedName = 'checkpointed'
const asideName = 'data.mdb.damaged'
const dataName = 'data.mdb'
/** The data and every lock file that LMDB may have beside it. */
const liveNames = [dataName, 'data.mdb-lock', 'lock.mdb']
/** Markers that are no boot: whatever is found with them is not trusted. */
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
   * Makes the directory (mode 0700) and, when the data may be torn, puts the snapshot in its place.
   * LMDB may be opened then.
   * @throws SkeinError data_loss when that is needed, and the snapshot is gone or damaged: then
   *   nothing was changed
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
      logger.warn('something is wrong with the state', { directory, problems })
      use = 'damaged'
      isTrusted = false
    }
    if (!isTrusted || (hasSnapshot && !names.includes(dataName))) {
      const why = {
        whole: 'the machine may have lost power',
        inside: 'the last process ended inside the state',
        damaged: 'the state was found damaged',
      }
      logger.warn(`${why[use]}: going back to the last snapshot and the journal after it`, { directory, hasSnapshot })
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

  /** Where a snapshot is written before `keepSnapshot`. */
  get partPath(): string {
    return join(this.#options.directory, partName)
  }

  get hasSnapshot(): boolean {
    return this.#hasSnapshot
  }

  /** Takes away what an interrupted snapshot left. */
  async clearPart(): Promise<void> {
    const { directory, fileSystem } = this.#options
    if ((await fileSystem.names(directory)).includes(partName)) await fileSystem.remove(this.partPath)
  }

  /**
   * Copies the data to the part while it is written to; `head` stands at its beginning. Not by
   * LMDB's own copy: that one reads through the map, and all of the data would count as the
   * process's memory.
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

  /** The first bytes of the data, as they are in this moment. */
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

  /** The snapshot as a new file, not synced. @throws SkeinError data_loss when it is damaged */
  async copySnapshot(path: string): Promise<void> {
    await copySealed(join(this.#options.directory, snapshotName), path, false, constants.COPYFILE_EXCL)
  }

  /** What is wrong with the snapshot; empty: nothing. */
  async snapshotProblems(): Promise<string[]> {
    const { directory, fileSystem } = this.#options
    const names = await fileSystem.names(directory)
    const advice = "run 'skein fsadmin backup', which writes a new one"
    if (!names.includes(snapshotName))
      return names.includes(checkpointedName) ? [`the snapshot in ${directory} is missing: ${advice}`] : []
    const isWhole = await isSealedWhole(join(directory, snapshotName), names.includes(checkpointedName))
    return isWhole ? [] : [`the snapshot in ${directory} is damaged: ${advice}`]
  }

  /** Makes the finished part the snapshot; durable when it resolves. */
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

  /** The data is on the disk and LMDB closed: the next start may trust it, after any power loss. */
  async markClosed(): Promise<void> {
    const { directory, fileSystem } = this.#options
    // First the name of the data: without the marker it is trusted, so it has to be there.
    await fileSystem.syncDirectory(directory)
    await fileSystem.remove(join(directory, markerName))
    await fileSystem.syncDirectory(directory)
  }
}

/** Killed in it, the next start does not trust the data. */
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
 * Interrupted anywhere, it is done again at the next start: the marker does not name a boot until
 * it has ended.
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
  // Checked and copied before anything goes.
  if (hasSnapshot) await copySealed(join(directory, snapshotName), part, wasCheckpointed)
  await replaceFile(fileSystem, join(directory, markerName), restoring)
  // The journal has it all, but nothing else does.
  if (!hasSnapshot && names.includes(dataName)) await fileSystem.rename(data, join(directory, asideName))
  for (const name of liveNames) {
    if (names.includes(name) && (hasSnapshot || name !== dataName)) await fileSystem.remove(join(directory, name))
  }
  // Not synced: a power loss from here on restores again.
  if (hasSnapshot) await fileSystem.rename(part, data)
}

/** Linux names each boot; elsewhere undefined. */
export function currentBootId(): string | undefined {
  try {
    return readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim() || undefined
  } catch {
    return undefined
  }
}
