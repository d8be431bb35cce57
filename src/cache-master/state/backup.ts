// Why: a master's disk may be lost, and with it all that only the master knows: namespaces, files,
// what people set. How: one file: a consistent copy of the state, made while the master serves,
// then a line of JSON about it, then (fixed length) the line's length, the SHA-256 of all before
// it, and a word that ends it. A file that is whole has its name; until then it has another. The
// key that opens the secrets is not in it: who finds a backup finds no secret. Restoring puts the
// state where there is none (an empty home, never over another one), forgets the place in the
// journal that it had, and leaves out a wide range of file ids: workers may still hold blocks that
// the lost master gave ids to.
import { createHash, type Hash, randomInt } from 'node:crypto'
import { constants } from 'node:fs'
import {
  access,
  copyFile,
  type FileHandle,
  mkdir,
  open,
  readdir,
  rename,
  rm,
  stat,
  truncate,
  writeFile,
} from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { z } from 'zod'
import { makeDirectories } from '../../base/files/make-directories.ts'
import { assert } from '../../base/assert.ts'
import type { Clock } from '../../base/clock.ts'
import { SkeinError } from '../../base/errors.ts'
import { diskFileSystem } from '../../journal/disk/journal-files.ts'
import { LmdbState } from '../../journal/state/lmdb-state.ts'
import { createSegment } from '../../journal/log/journal-segment.ts'
import type { Tables } from '../../meta/meta-tables.ts'
import type { Logger } from '../../telemetry/logger.ts'
import type { BackupResponse } from '../../wire/generated/master.ts'
import { LmdbTables } from './lmdb-tables.ts'
import { lostSecretsOf } from './lost-secrets.ts'
import { StateIdentity } from './state-identity.ts'

const aboutSchema = z.strictObject({
  format: z.literal(1),
  clusterId: z.string().min(1),
  version: z.string(),
  createdMs: z.number(),
  files: z.number(),
  namespaces: z.number(),
  /** How many values in it the key opens. */
  sealedSecrets: z.number(),
})
type About = z.infer<typeof aboutSchema>

const endWord = Buffer.from('SKEINBK1')
const digestBytes = 32
/** The line's length, the digest, the word. */
const tailBytes = 4 + digestBytes + endWord.length
const aboutBytesMax = 1024 ** 2
const chunkBytes = 1024 ** 2
/**
 * File ids that a restored master never gives out: more files than any master makes between a
 * backup and its loss.
 */
const containersLeftOut = 2 ** 27

export interface BackupDependencies {
  readonly state: LmdbState
  readonly tables: Tables
  readonly identity: StateIdentity
  readonly home: string
  readonly version: string
  readonly clock: Clock
  readonly logger: Logger
}

export class BackupService {
  readonly #deps: BackupDependencies
  #running: Promise<unknown> = Promise.resolve()

  constructor(deps: BackupDependencies) {
    this.#deps = deps
  }

  /**
   * Writes a new file into the directory (on this machine; empty: `<home>/backups`), one backup at
   * a time.
   * @throws SkeinError invalid_argument for a relative directory, failed_precondition when it
   *   cannot be written
   */
  write(directory: string): Promise<BackupResponse> {
    const { home } = this.#deps
    if (directory !== '' && !directory.startsWith('/'))
      return Promise.reject(
        new SkeinError('invalid_argument', `'${directory}' is not absolute: give a directory on the master's host`),
      )
    const made = this.#running.then(() => this.#write(directory === '' ? join(home, 'backups') : directory))
    this.#running = made.catch(() => undefined)
    return made
  }

  async #write(directory: string): Promise<BackupResponse> {
    const { state, tables, identity, version, clock, logger } = this.#deps
    const { clusterId = '' } = identity
    const createdMs = clock.nowMs()
    const second = new Date(createdMs).toISOString().replaceAll(/[-:]|\.\d+/g, '')
    const name = `skein-backup-${second}-${String(createdMs % 1000).padStart(3, '0')}`
    const path = join(directory, name)
    const part = `${path}.tmp`
    try {
      await makeDirectories(directory, 0o700)
      const namespaces = [...tables.namespaces()]
      const sealedSecrets = namespaces.reduce(
        (sum, one) => sum + Object.keys(one.sealedSecrets).length - lostSecretsOf(one).length,
        0,
      )
      const files = tables.counter('files')
      await state.copyTo(part)
      await seal(part, {
        format: 1,
        clusterId,
        version,
        createdMs,
        files,
        namespaces: namespaces.length,
        sealedSecrets,
      })
      await rename(part, path)
      await syncDirectory(directory)
      const { size: bytes } = await stat(path)
      logger.info('backed up the metadata', { path, files, bytes })
      return { path, files, bytes }
    } catch (thrown) {
      await rm(part, { force: true }).catch(() => undefined)
      if (thrown instanceof SkeinError) throw thrown
      throw new SkeinError(
        'failed_precondition',
        `the backup cannot be written to ${directory}: ${(thrown as Error).message}`,
        {
          cause: thrown,
        },
      )
    }
  }
}

export interface RestoreOptions {
  /** The backup. */
  readonly file: string
  readonly home: string
  readonly secretKeyFile: string
  /** Its secrets are to be set anew: it is restored without the key. */
  readonly isSecretKeyLost?: boolean
  readonly logger: Logger
}

/**
 * Makes the state of a new master from a backup, before anything else of the master is opened.
 * Interrupted anywhere, it can be done again.
 * @throws SkeinError failed_precondition when there is a state already or the key is missing,
 *   not_found, data_loss for a
 *   file that is torn or no backup
 */
export async function restoreBackup({
  file,
  home,
  secretKeyFile,
  isSecretKeyLost = false,
  logger,
}: RestoreOptions): Promise<void> {
  const directory = join(home, 'master')
  // A master has its id before its state: with no more than the beginnings of an id, the state is
  // what a restore left.
  const isHalf = !(await isThere(join(directory, 'cluster.id'))) && (await isThere(join(directory, 'cluster.id.tmp')))
  for (const name of ['cluster.id', 'state', 'journal']) {
    if (!(await isThere(join(directory, name))) || (isHalf && name !== 'cluster.id')) continue
    const message =
      `${directory} has the state of a master already: ` +
      'restore into an empty home, or start without skein.master.restore.from'
    throw new SkeinError('failed_precondition', message)
  }
  const { about, stateBytes } = await readBackup(file)
  if (about.sealedSecrets > 0 && !isSecretKeyLost && !(await isThere(secretKeyFile))) {
    const message =
      `${file} holds sealed secrets: put the secret.key of its master to ${secretKeyFile} first. ` +
      `Where it is lost, add -Dskein.master.secret.key.lost=true and set the secrets anew with 'skein ns update'`
    throw new SkeinError('failed_precondition', message)
  }
  const part = join(directory, 'state.restoring')
  await rm(part, { recursive: true, force: true })
  await mkdir(part, { recursive: true, mode: 0o700 })
  await copyFile(file, join(part, 'data.mdb'), constants.COPYFILE_FICLONE)
  await truncate(join(part, 'data.mdb'), stateBytes)
  const state = await LmdbState.open({ directory: part, logger })
  try {
    state.forgetJournal()
    const tables = new LmdbTables(state)
    const containers = tables.counter('containers') + containersLeftOut
    tables.transact(0n, () => tables.putCounter('containers', containers))
    new StateIdentity(state).beginIncarnation(about.clusterId, containers)
    await state.snapshot()
  } finally {
    await state.close()
  }
  await writeFile(join(directory, 'cluster.id.tmp'), about.clusterId, { mode: 0o600, flush: true })
  if (isHalf) for (const name of ['state', 'journal']) await rm(join(directory, name), { recursive: true, force: true })
  await emptyJournal(join(directory, 'journal'))
  await rename(part, join(directory, 'state'))
  // Last: with it, the home is a master's.
  await rename(join(directory, 'cluster.id.tmp'), join(directory, 'cluster.id'))
  await syncDirectory(directory)
  logger.info('restored the metadata', {
    file,
    files: about.files,
    namespaces: about.namespaces,
    createdMs: about.createdMs,
  })
}

/** A home has a journal as it has a state. */
async function emptyJournal(path: string): Promise<void> {
  await mkdir(path, { recursive: true, mode: 0o700 })
  const { file } = await createSegment(diskFileSystem, path, { firstSeq: 1n, nonce: randomInt(2 ** 32) })
  await file.close()
}

/** Puts behind the state what makes it a backup; on the disk when it resolves. */
async function seal(path: string, about: About): Promise<void> {
  const file = await open(path, constants.O_RDWR | constants.O_NOFOLLOW)
  try {
    await file.chmod(0o600)
    const { size } = await file.stat()
    const line = Buffer.from(`\n${JSON.stringify(about)}\n`)
    const length = Buffer.alloc(4)
    length.writeUInt32LE(line.length)
    const hash = createHash('sha256')
    await addTo(hash, file, size)
    const digest = hash.update(line).update(length).digest()
    const end = Buffer.concat([line, length, digest, endWord])
    const { bytesWritten } = await file.write(end, 0, end.length, size)
    assert(bytesWritten === end.length, 'a backup was not written to its end')
    await file.sync()
  } finally {
    await file.close()
  }
}

/** Checks every byte of a backup. */
async function readBackup(path: string): Promise<{ readonly about: About; readonly stateBytes: number }> {
  const file = await open(path, constants.O_RDONLY | constants.O_NOFOLLOW).catch((thrown: unknown) => {
    if (thrown instanceof Error && 'code' in thrown && thrown.code === 'ENOENT')
      throw new SkeinError('not_found', `there is no backup ${path}`)
    throw new SkeinError('failed_precondition', `the backup ${path} cannot be read: ${(thrown as Error).message}`, {
      cause: thrown,
    })
  })
  try {
    const { size } = await file.stat()
    const tail = await bytesAt(file, size - tailBytes, tailBytes)
    const lineBytes = tail?.readUInt32LE(0) ?? 0
    const isEnded = tail?.subarray(4 + digestBytes).equals(endWord) === true
    if (tail === undefined || !isEnded || lineBytes > aboutBytesMax || lineBytes > size - tailBytes) throw torn(path)
    const hash = createHash('sha256')
    await addTo(hash, file, size - tailBytes + 4)
    if (!hash.digest().equals(tail.subarray(4, 4 + digestBytes))) throw torn(path)
    const stateBytes = size - tailBytes - lineBytes
    const line = await bytesAt(file, stateBytes, lineBytes)
    const about = aboutSchema.safeParse(JSON.parse(line?.toString('utf8') ?? 'null'))
    if (!about.success) throw new SkeinError('failed_precondition', `the backup ${path} is of another version of Skein`)
    return { about: about.data, stateBytes }
  } finally {
    await file.close()
  }
}

async function addTo(hash: Hash, file: FileHandle, upTo: number): Promise<void> {
  for (let at = 0; at < upTo;) {
    const bytes = await bytesAt(file, at, Math.min(chunkBytes, upTo - at))
    if (bytes === undefined) throw new SkeinError('unavailable', 'a backup became shorter while it was read')
    hash.update(bytes)
    at += bytes.length
  }
}

/** Exactly these bytes; undefined when the file has not so many. */
async function bytesAt(file: FileHandle, at: number, length: number): Promise<Buffer | undefined> {
  if (at < 0) return undefined
  const bytes = Buffer.allocUnsafe(length)
  let got = 0
  while (got < length) {
    const { bytesRead } = await file.read(bytes, got, length - got, at + got)
    if (bytesRead === 0) return undefined
    got += bytesRead
  }
  return bytes
}

async function isThere(path: string): Promise<boolean> {
  try {
    await access(path)
  } catch {
    return false
  }
  const { isDirectory } = await stat(path).then((found) => ({ isDirectory: found.isDirectory() }))
  return !isDirectory || (await readdir(path)).length > 0
}

async function syncDirectory(path: string): Promise<void> {
  const directory = await open(dirname(join(path, 'x')), constants.O_RDONLY | constants.O_DIRECTORY)
  try {
    await directory.sync()
  } finally {
    await directory.close()
  }
}

function torn(path: string): SkeinError {
  return new SkeinError('data_loss', `${path} is not a complete backup: use another file`)
}
