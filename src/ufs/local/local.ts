// Why: a directory (local disk, NFS, a Ceph mount) as a store. How: keys are paths below the root.
// The version of a file is its inode, size and mtime; a read checks the version before and after,
// so it detects a file that changes meanwhile. Nothing outside the root is reachable: `.` and `..`
// are refused, and links are followed only inside the root (local-names.ts). The root itself must
// lie in one of the directories that this process may use (file-roots.ts), which is checked on
// every use.
import { constants } from 'node:fs'
import { type FileHandle, open, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { throwIfAborted } from '../../base/clock.ts'
import { isSkeinError, SkeinError } from '../../base/errors.ts'
import { unzeroedBytes } from '../../base/flow/aligned-memory.ts'
import { keyProblem } from '../../base/paths.ts'
import type { MetricRegistry } from '../../telemetry/registry.ts'
import { realRoot } from './file-roots.ts'
import { codeOf, kindOf, resolveKey, unusable } from './local-names.ts'
import { renameLocal, renameOverLocal } from './local-rename.ts'
import { LocalUpload } from './local-upload.ts'
import { localEtag, localObject } from './local-version.ts'
import { type LocalEntry, walkDirectory } from './local-walk.ts'
import { copyLocal, deleteLocal, writeLocal } from './local-writer.ts'
import { changedError } from '../rename-by-copy.ts'
import type {
  ListPage,
  ListRequest,
  ObjectInfo,
  ObjectUpload,
  ReadRequest,
  ReplacingVersions,
  UnderFileSystem,
  UploadOptions,
  WriteOptions,
} from '../under-file-system.ts'

const chunkBytes = 1024 * 1024
/**
 * Walks that stay open between the pages of a listing. A page whose walk was closed starts a new
 * walk at its key.
 */
const walksMax = 16

interface Walk {
  readonly entries: AsyncGenerator<LocalEntry, void, undefined>
  /** An entry that the walk has returned, but no page has listed yet. */
  readonly ahead: LocalEntry
}

export class LocalUnderFileSystem implements UnderFileSystem {
  readonly #directory: string
  readonly #roots: readonly string[]
  readonly #metrics: MetricRegistry
  readonly #walks = new Map<string, Walk>()
  readonly #counters = { readBytes: 0, readRequests: 0 }
  #walkCount = 0

  /** @param roots the directories that this process may use: skein.ufs.file.roots */
  constructor(directory: string, roots: readonly string[], metrics: MetricRegistry) {
    this.#directory = directory
    this.#roots = roots
    this.#metrics = metrics
  }

  get counters(): { readonly readBytes: number; readonly readRequests: number } {
    return { ...this.#counters }
  }

  async check(signal: AbortSignal): Promise<void> {
    throwIfAborted(signal)
    const about = await stat(await this.#root()).catch((error: unknown) => {
      throw fileError(this.#directory, error)
    })
    if (!about.isDirectory()) throw new SkeinError('failed_precondition', `${this.#directory} is not a directory`)
  }

  async stat(key: string, signal: AbortSignal): Promise<ObjectInfo> {
    throwIfAborted(signal)
    this.#metrics.add('skein_ufs_requests_total', 1, { operation: 'stat' })
    const { name, path } = await this.#resolve(key)
    const about = await stat(path, { bigint: true }).catch((error: unknown) => {
      throw fileError(name, error)
    })
    const found = kindOf(about)
    if (found.kind === 'problem') throw unusable(name, found.problem)
    if (found.kind !== 'file') throw new SkeinError('not_found', `${name} is not a file`)
    return localObject(key, about)
  }

  async list(request: ListRequest, signal: AbortSignal): Promise<ListPage> {
    throwIfAborted(signal)
    this.#metrics.add('skein_ufs_requests_total', 1, { operation: 'list' })
    const token = request.after?.token
    const kept = token === undefined ? undefined : this.#walks.get(token)
    if (token !== undefined) this.#walks.delete(token)
    const root = await this.#root()
    const entries = kept?.entries ?? walkDirectory(root, { ...request, after: request.after?.key }, signal)
    const objects: ObjectInfo[] = []
    const prefixes: string[] = []
    const files: LocalEntry[] = []
    let lastKey = ''
    const take = (entry: LocalEntry): void => {
      lastKey = entry.key
      if (entry.folder) prefixes.push(entry.key)
      else files.push(entry)
    }
    if (kept !== undefined) take(kept.ahead)
    let ahead: LocalEntry | undefined
    for (let step = await entries.next(); step.done !== true; step = await entries.next()) {
      if (files.length + prefixes.length >= request.limit) {
        ahead = step.value
        break
      }
      take(step.value)
    }
    for (let from = 0; from < files.length; from += 64) {
      throwIfAborted(signal)
      const found = await Promise.all(files.slice(from, from + 64).map((entry) => this.#describe(root, entry)))
      objects.push(...found.filter((object) => object !== undefined))
    }
    return {
      objects,
      prefixes,
      next: ahead === undefined ? undefined : { key: lastKey, token: this.#keep({ entries, ahead }) },
    }
  }

  async *read(request: ReadRequest, signal: AbortSignal): AsyncGenerator<Uint8Array, void, undefined> {
    throwIfAborted(signal)
    this.#counters.readRequests += 1
    this.#metrics.add('skein_ufs_requests_total', 1, { operation: 'read' })
    const { name, path } = await this.#resolve(request.key)
    const file = await open(path, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK).catch(
      (error: unknown) => {
        throw fileError(name, error)
      },
    )
    try {
      await this.#expectVersion(file, name, request)
      for (let done = 0; done < request.length;) {
        throwIfAborted(signal)
        const wanted = Math.min(chunkBytes, request.length - done)
        const { bytesRead, buffer } = await file.read(unzeroedBytes(wanted), 0, wanted, request.offset + done)
        if (bytesRead === 0) throw changedWhileRead(name)
        done += bytesRead
        this.#counters.readBytes += bytesRead
        this.#metrics.add('skein_ufs_read_bytes_total', bytesRead)
        // Check the version before the last chunk is returned: either all bytes are of one version,
        // or the read fails.
        if (done >= request.length) await this.#expectVersion(file, name, request)
        yield bytesRead === wanted ? buffer : buffer.subarray(0, bytesRead)
      }
    } finally {
      await file.close()
    }
  }

  async readWhole(request: ReadRequest, signal: AbortSignal): Promise<Uint8Array> {
    const chunks: Uint8Array[] = []
    for await (const chunk of this.read(request, signal)) chunks.push(chunk)
    const [first] = chunks
    return first !== undefined && chunks.length === 1 ? first : Buffer.concat(chunks)
  }

  async write(
    key: string,
    length: number,
    chunks: AsyncIterable<Uint8Array>,
    options: WriteOptions,
    signal: AbortSignal,
  ): Promise<ObjectInfo> {
    throwIfAborted(signal)
    this.#metrics.add('skein_ufs_requests_total', 1, { operation: 'write' })
    await writeLocal(await this.#root(), key, length, chunks, options, signal)
    this.#metrics.add('skein_ufs_written_bytes_total', length)
    return await this.stat(key, signal)
  }

  async beginUpload(key: string, _options: UploadOptions, signal: AbortSignal): Promise<ObjectUpload> {
    throwIfAborted(signal)
    this.#metrics.add('skein_ufs_requests_total', 1, { operation: 'write' })
    return await LocalUpload.begin(await this.#root(), key, signal, (bytes) =>
      this.#metrics.add('skein_ufs_written_bytes_total', bytes),
    )
  }

  async delete(key: string, signal: AbortSignal, etag?: string): Promise<void> {
    throwIfAborted(signal)
    const found = etag === undefined ? undefined : await this.#find(key, signal)
    if (found !== undefined && found.etag !== etag) throw changedError(key)
    await deleteLocal(await this.#root(), key)
  }

  async copy(from: string, to: string, signal: AbortSignal): Promise<ObjectInfo> {
    const source = await this.stat(from, signal)
    if (from === to) return source
    await copyLocal(await this.#root(), (await this.#resolve(from)).path, to)
    return await this.stat(to, signal)
  }

  async rename(from: string, to: string, etag: string, signal: AbortSignal): Promise<ObjectInfo> {
    const source = await this.#find(from, signal)
    if (source !== undefined && source.etag !== etag) throw changedError(from)
    if (source !== undefined && from !== to) await renameLocal(await this.#root(), from, to, etag)
    if (source !== undefined) return { ...source, key: to }
    // An earlier call may have completed without the caller's knowledge.
    const there = await this.#find(to, signal)
    if (there?.etag === etag) return there
    throw new SkeinError('not_found', `${join(this.#directory, from)} does not exist`)
  }

  async renameOver(from: string, to: string, versions: ReplacingVersions, signal: AbortSignal): Promise<ObjectInfo> {
    const source = await this.#find(from, signal)
    if (source === undefined || from === to || (await this.#find(to, signal)) === undefined)
      return await this.rename(from, to, versions.etag, signal)
    if (source.etag !== versions.etag) throw changedError(from)
    await renameOverLocal(await this.#root(), from, to, versions)
    return { ...source, key: to }
  }

  async close(): Promise<void> {
    for (const { entries } of this.#walks.values()) await entries.return()
    this.#walks.clear()
  }

  async #find(key: string, signal: AbortSignal): Promise<ObjectInfo | undefined> {
    try {
      return await this.stat(key, signal)
    } catch (thrown) {
      if (isSkeinError(thrown, 'not_found')) return undefined
      throw thrown
    }
  }

  async #expectVersion(file: FileHandle, path: string, request: ReadRequest): Promise<void> {
    const about = await file.stat({ bigint: true })
    if (!about.isFile()) throw new SkeinError('not_found', `${path} is not a file`)
    if (localEtag(about) !== request.etag || request.offset + request.length > Number(about.size))
      throw changedWhileRead(path)
  }

  /**
   * @returns undefined when the file was deleted after the directory was read; the listing omits it
   */
  async #describe(root: string, { key, problem }: LocalEntry): Promise<ObjectInfo | undefined> {
    if (problem !== undefined) return unusableObject(key, problem)
    try {
      const about = await stat(join(root, key), { bigint: true })
      const found = kindOf(about)
      if (found.kind === 'problem') return unusableObject(key, found.problem)
      return found.kind === 'file' ? localObject(key, about) : undefined
    } catch (thrown) {
      const code = codeOf(thrown)
      return code === 'ENOENT' || code === 'ENOTDIR' ? undefined : unusableObject(key, `it cannot be read (${code})`)
    }
  }

  #keep(walk: Walk): string {
    this.#walkCount += 1
    const token = String(this.#walkCount)
    this.#walks.set(token, walk)
    const [oldest] = this.#walks.keys()
    if (this.#walks.size > walksMax && oldest !== undefined) this.#walks.delete(oldest)
    return token
  }

  /**
   * @throws SkeinError permission_denied (`endpoint_not_allowed`) when this process may not use the
   *   directory
   */
  async #root(): Promise<string> {
    return await realRoot(this.#directory, this.#roots).catch((error: unknown) => {
      throw error instanceof SkeinError ? error : fileError(this.#directory, error)
    })
  }

  /**
   * Finds the file of a key. `name` is for messages.
   * @throws SkeinError not_found, failed_precondition (`object_unusable`), permission_denied
   */
  async #resolve(key: string): Promise<{ readonly name: string; readonly path: string | Buffer }> {
    const problem = keyProblem(key)
    if (problem !== undefined || key === '' || key.endsWith('/') || key.startsWith('/') || key.includes('//')) {
      throw new SkeinError('not_found', `${JSON.stringify(key)} is not a file: ${problem ?? 'it is not a valid path'}`)
    }
    const root = await this.#root()
    const name = join(root, key)
    const path = await resolveKey(root, key).catch((error: unknown) => {
      throw error instanceof SkeinError ? error : fileError(name, error)
    })
    return { name, path }
  }
}

function unusableObject(key: string, problem: string): ObjectInfo {
  return { key, length: 0, etag: '', modifiedMs: 0, storageClass: 'STANDARD', problem }
}

function changedWhileRead(path: string): SkeinError {
  return new SkeinError('aborted', `${path} changed while it was read`, { reason: 'object_changed', retryable: false })
}

function fileError(path: string, thrown: unknown): SkeinError {
  const code = codeOf(thrown)
  if (code === 'ENOENT' || code === 'ENOTDIR') return new SkeinError('not_found', `${path} does not exist`)
  if (code === 'EACCES' || code === 'EPERM')
    return new SkeinError('permission_denied', `${path} may not be read (${code})`)
  if (code === 'ELOOP' || code === 'EISDIR' || code === 'ENAMETOOLONG')
    return new SkeinError('not_found', `${path} is not a file (${code})`)
  return new SkeinError('unavailable', `${path} cannot be read (${code})`)
}
