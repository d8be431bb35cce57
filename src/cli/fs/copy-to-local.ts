// Why: `skein fs copyToLocal`: files of the cache become files of this host. How: as Alluxio does
// it, a file goes to LOCAL, or into it where it is a directory; what is in a directory goes into
// LOCAL. A file is written beside its place and gets its name when it is whole. Keys are chosen by
// others: a name that would lead out of LOCAL is refused, links included.
import { link, lstat, mkdir, open, realpath, rename, stat, unlink } from 'node:fs/promises'
import { basename, dirname, join, sep } from 'node:path'
import { isSkeinError, SkeinError } from '../../base/errors.ts'
import type { FileStatus, UnusableEntries } from '../../client/file-system.ts'
import { type CommandContext, type FileTarget, openFiles, writeResult } from '../frame/context.ts'
import { fileBytes } from '../../client/file-bytes.ts'
import { localError, localPath, localUri, onLocal } from './local-path.ts'
import { eachInParallel } from '../frame/parallel-each.ts'
import { printable } from '../frame/printable.ts'
import { Tally } from '../frame/tally.ts'
import { nameUnusable } from './unusable-paths.ts'

const filesAtATime = 8
/** Directories that are remembered to be in their place. */
const checkedDirectoriesMax = 10_000

export async function copyToLocal(
  context: CommandContext,
  text: string,
  localText: string,
  replace: boolean,
): Promise<void> {
  const local = localPath(localText)
  const target = await openFiles(context, text)
  const tally = new Tally(context)
  const copy = new Copy(context, target, tally, replace)
  const file = await target.files.stat(target.path, { signal: context.signal })
  const isDirectory = file.kind === 'directory'
  if (isDirectory) await copy.tree(local)
  else await copy.file(file.path, await placeOf(file, localText, local))
  if (context.options.format === 'json')
    writeResult(context, { from: target.path, to: localUri(local), ...tally.document }, '')
  else if (isDirectory && tally.failed === 0) writeResult(context, undefined, copiedText(target.path, local))
  tally.finish()
}

function copiedText(path: string, local: string): string {
  return `Copied ${printable(path)} to ${printable(localUri(local))}`
}

/** Where a single file goes: into the local path when that is a directory. */
async function placeOf(file: FileStatus, localText: string, local: string): Promise<string> {
  const isDirectory = localText.endsWith('/') || (await statOrUndefined(local))?.isDirectory() === true
  return isDirectory ? join(local, ...safeNames(file.path, basename(file.path))) : local
}

/**
 * The names below the local directory of a path relative to the one that is copied.
 * @throws SkeinError invalid_argument when one of them is no file name or would lead elsewhere
 */
function safeNames(path: string, relative: string): string[] {
  const names = relative.split('/')
  const bad = names.find(
    (name) =>
      name === '' || name === '.' || name === '..' || name.includes('\0') || (sep !== '/' && name.includes(sep)),
  )
  if (bad !== undefined)
    throw new SkeinError('invalid_argument', `${path} is not copied: '${bad}' is not a valid local file name`)
  return names
}

class Copy {
  readonly #context: CommandContext
  readonly #target: FileTarget
  readonly #tally: Tally
  readonly #replace: boolean
  readonly #checkedDirectories = new Set<string>()
  #begun = 0

  constructor(context: CommandContext, target: FileTarget, tally: Tally, replace: boolean) {
    this.#context = context
    this.#target = target
    this.#tally = tally
    this.#replace = replace
  }

  async tree(local: string): Promise<void> {
    await onLocal(local, () => mkdir(local, { recursive: true }))
    const root = await onLocal(local, () => realpath(local))
    await eachInParallel(this.#entries(), filesAtATime, (file) =>
      this.#tally.attempt(file.path, async () => {
        const place = join(local, ...safeNames(file.path, this.#relative(file)))
        const isDirectory = file.kind === 'directory'
        await this.#checkedDirectory(root, local, isDirectory ? place : dirname(place))
        if (!isDirectory) await this.file(file.path, place)
      }),
    )
  }

  async *#entries(): AsyncGenerator<FileStatus, void, undefined> {
    const { files, path } = this.#target
    const onUnusable = (found: UnusableEntries): void => nameUnusable(this.#context, found)
    const { signal } = this.#context
    for await (const page of files.list(path, { recursive: true, onUnusable, signal })) yield* page
  }

  #relative(file: FileStatus): string {
    const base = this.#target.path.endsWith('/') ? this.#target.path : `${this.#target.path}/`
    if (!file.path.startsWith(base))
      throw new SkeinError('invalid_argument', `${file.path} is not copied: it is not below ${base}`)
    const relative = file.path.slice(base.length)
    return file.kind === 'directory' ? relative.replace(/\/$/, '') : relative
  }

  async #checkedDirectory(root: string, local: string, directory: string): Promise<void> {
    if (this.#checkedDirectories.has(directory)) return
    await this.#makeDirectory(root, local, directory)
    if (this.#checkedDirectories.size >= checkedDirectoriesMax) this.#checkedDirectories.clear()
    this.#checkedDirectories.add(directory)
  }

  /**
   * Makes a directory below the root, name by name, so that a link that leads out of it is seen
   * before anything is made there.
   */
  async #makeDirectory(root: string, local: string, directory: string): Promise<void> {
    let place = local
    for (const name of directory
      .slice(local.length)
      .split(sep)
      .filter((one) => one !== '')) {
      place = join(place, name)
      await onLocal(place, () => mkdir(place)).catch((thrown: unknown) => {
        if (!isSkeinError(thrown, 'already_exists')) throw thrown
      })
      const real = await onLocal(place, () => realpath(place))
      if (real !== root && !real.startsWith(root === sep ? sep : root + sep))
        throw new SkeinError('failed_precondition', `${localUri(place)} is a link that leads out of ${localUri(local)}`)
      if (!(await onLocal(place, () => stat(place))).isDirectory())
        throw new SkeinError('already_exists', `${localUri(place)} exists and is not a directory`)
    }
  }

  /** Copies one file to exactly this place. */
  async file(path: string, place: string): Promise<void> {
    const there = await statOrUndefined(place)
    if (there?.isDirectory() === true) throw new SkeinError('already_exists', `${localUri(place)} is a directory`)
    if (there !== undefined && !this.#replace) throw existsError(place)
    this.#begun += 1
    const partial = join(dirname(place), `.skein-${this.#context.uniqueId()}-${this.#begun}.part`)
    try {
      const bytes = await this.#download(path, partial, place)
      await onLocal(place, () => (this.#replace ? rename(partial, place) : nameNew(partial, place)))
      this.#tally.addDone(bytes, copiedText(path, place))
    } catch (thrown) {
      await unlink(partial).catch(() => undefined)
      throw thrown
    }
  }

  async #download(path: string, partial: string, place: string): Promise<number> {
    const directory = dirname(partial)
    const file = await onLocal(directory, () => open(partial, 'wx'))
    let bytes = 0
    try {
      for await (const chunk of fileBytes(this.#target.files, path, this.#context.signal)) {
        await onLocal(place, () => file.writeFile(chunk))
        bytes += chunk.length
      }
    } finally {
      await file.close()
    }
    return bytes
  }
}

/** Gives a new file its name, unless there is one of that name already. */
async function nameNew(partial: string, place: string): Promise<void> {
  try {
    await link(partial, place)
  } catch (thrown) {
    const code = (thrown as NodeJS.ErrnoException).code
    if (code === 'EEXIST') throw existsError(place)
    if (code !== 'EPERM' && code !== 'ENOTSUP' && code !== 'EOPNOTSUPP' && code !== 'ENOSYS' && code !== 'EMLINK')
      throw thrown
    // A file system without hard links.
    if ((await statOrUndefined(place)) !== undefined) throw existsError(place)
    return rename(partial, place)
  }
  await unlink(partial)
}

function existsError(place: string): SkeinError {
  return new SkeinError('already_exists', `${localUri(place)} exists; -f replaces it`)
}

/** Of the place itself or what its link leads to; a link to nothing counts as there. */
async function statOrUndefined(place: string): Promise<Awaited<ReturnType<typeof lstat>> | undefined> {
  try {
    return await stat(place).catch(() => lstat(place))
  } catch (thrown) {
    if ((thrown as NodeJS.ErrnoException).code === 'ENOENT') return undefined
    throw localError(place, thrown)
  }
}
