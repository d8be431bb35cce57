// Why: `skein fs copyFromLocal`: files of this host become files of the cache. How: as Alluxio does
// it, a file goes to PATH, or into it where it is a directory; what is in a directory goes into
// PATH. Several files go at a time; one that cannot be copied is named and the others go on. A file
// that changes meanwhile is not copied.
import type { Stats } from 'node:fs'
import { type FileHandle, lstat, open, opendir, stat } from 'node:fs/promises'
import { basename, join } from 'node:path'
import { SkeinError } from '../../base/errors.ts'
import { writeWhole } from '../../client/write/write-whole.ts'
import { type CommandContext, type FileTarget, openFiles, writeResult } from '../frame/context.ts'
import { localPath, localUri, onLocal } from './local-path.ts'
import { eachInParallel } from '../frame/parallel-each.ts'
import { below, placeOf } from './place-of.ts'
import { printable } from '../frame/printable.ts'
import { Tally } from '../frame/tally.ts'

const filesAtATime = 8
const chunkBytes = 1024 ** 2

export async function copyFromLocal(context: CommandContext, localText: string, text: string): Promise<void> {
  const local = localPath(localText)
  const about = await onLocal(local, () => stat(local))
  const target = await openFiles(context, text)
  const tally = new Tally(context)
  if (about.isDirectory()) await copyTree(context, target, local, tally)
  else if (about.isFile())
    await copyFile(context, target, local, await placeOf(context, target, basename(local)), tally)
  else throw new SkeinError('failed_precondition', `${localUri(local)} is neither a file nor a directory`)
  if (context.options.format === 'json')
    writeResult(context, { from: localUri(local), to: target.path, ...tally.document }, '')
  else if (about.isDirectory() && tally.failed === 0) writeResult(context, undefined, copiedText(local, target.path))
  tally.finish()
}

function copiedText(local: string, path: string): string {
  return `Copied ${printable(localUri(local))} to ${printable(path)}`
}

interface LocalFile {
  readonly local: string
  readonly path: string
}

async function copyTree(context: CommandContext, target: FileTarget, local: string, tally: Tally): Promise<void> {
  const files = filesBelow(context, target, local, target.path, tally)
  await eachInParallel(files, filesAtATime, (file) =>
    tally.attempt(localUri(file.local), () => copyFile(context, target, file.local, file.path, tally)),
  )
}

/**
 * The regular files below a directory; makes the directories on the way and notes what can be
 * neither.
 */
async function* filesBelow(
  context: CommandContext,
  target: FileTarget,
  local: string,
  path: string,
  tally: Tally,
): AsyncGenerator<LocalFile, void, undefined> {
  await target.files.makeDirectory(path, { signal: context.signal })
  const directory = await onLocal(local, () => opendir(local))
  try {
    for (;;) {
      const entry = await onLocal(local, () => directory.read())
      if (entry === null) return
      const inner = join(local, entry.name)
      let found: LocalEntry | undefined
      await tally.attempt(localUri(inner), async () => {
        found = { ...(await entryOf(inner)), path: below(path, entry.name) }
      })
      if (found?.kind === 'file') yield { local: inner, path: found.path }
      else if (found?.kind === 'directory') yield* subtree(context, target, inner, found.path, tally)
      else if (found !== undefined) tally.addFailed(localUri(inner), found.kind)
    }
  } finally {
    await directory.close()
  }
}

interface LocalEntry {
  /** Or why it is not copied. */
  readonly kind: 'file' | 'directory' | 'a link to a directory is not followed' | 'neither a file nor a directory'
  readonly path: string
}

/** A directory below the first: when it cannot be read, the others still can. */
async function* subtree(
  context: CommandContext,
  target: FileTarget,
  local: string,
  path: string,
  tally: Tally,
): AsyncGenerator<LocalFile, void, undefined> {
  const files = filesBelow(context, target, local, path, tally)
  for (;;) {
    let next: IteratorResult<LocalFile, void> | undefined
    await tally.attempt(localUri(local), async () => {
      next = await files.next()
    })
    if (next === undefined || next.done === true) return
    yield next.value
  }
}

/** Links to files are followed. */
async function entryOf(local: string): Promise<Pick<LocalEntry, 'kind'>> {
  const about = await onLocal(local, () => lstat(local))
  if (about.isDirectory()) return { kind: 'directory' }
  const end = about.isSymbolicLink() ? await onLocal(local, () => stat(local)) : about
  if (end.isFile()) return { kind: 'file' }
  return { kind: end.isDirectory() ? 'a link to a directory is not followed' : 'neither a file nor a directory' }
}

async function copyFile(
  context: CommandContext,
  { files }: FileTarget,
  local: string,
  path: string,
  tally: Tally,
): Promise<void> {
  const { signal } = context
  const file = await onLocal(local, () => open(local, 'r'))
  try {
    const about = await onLocal(local, () => file.stat())
    if (!about.isFile()) throw changedError(local)
    await writeWhole(files, path, about.size, () => bytesOf(file, local, about), signal)
    tally.addDone(about.size, copiedText(local, path))
  } finally {
    await file.close()
  }
}

function changedError(local: string): SkeinError {
  return new SkeinError('aborted', `${localUri(local)} changed while it was read; copy it again`)
}

/**
 * @throws SkeinError aborted when the file has not been the same from the first byte to the last
 */
async function* bytesOf(file: FileHandle, local: string, about: Stats): AsyncGenerator<Uint8Array, void, undefined> {
  let offset = 0
  while (offset < about.size) {
    const buffer = Buffer.allocUnsafe(Math.min(chunkBytes, about.size - offset))
    const position = offset
    const { bytesRead } = await onLocal(local, () => file.read(buffer, 0, buffer.length, position))
    if (bytesRead === 0) throw changedError(local)
    offset += bytesRead
    if (offset >= about.size) {
      // The last bytes are given only once it is sure that all are of one version.
      const now = await onLocal(local, () => file.stat())
      if (now.size !== about.size || now.mtimeMs !== about.mtimeMs) throw changedError(local)
    }
    yield buffer.subarray(0, bytesRead)
  }
}
