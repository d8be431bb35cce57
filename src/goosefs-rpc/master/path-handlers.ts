// Why: what clients of GooseFS ask of files and directories, and change of them. How: the calls of
// the master's own services; nothing is done here. What differs: their rename takes the new path
// exactly, their listings are of children only, and a file that is being written can be removed.
import { isSkeinError, SkeinError } from '../../base/errors.ts'
import type { LifecycleServiceDefinition } from '../../wire/generated/lifecycle.ts'
import type { FileInfo, MasterServiceDefinition } from '../../wire/generated/master.ts'
import type { CallOptions, Service } from '../../wire/service.ts'
import type {
  CreateDirectoryPRequest,
  DeletePRequest,
  FileInfo as NativeFileInfo,
  FileSystemMasterClientServiceDefinition,
  FreePRequest,
  GetStatusPOptions,
  RenamePRequest,
  SetAttributePRequest,
} from '../generated/goosefs/files.ts'
import { nativeWorkerId } from '../ids/native-ids.ts'
import { requestKeyOfPath } from '../ids/pending-paths.ts'
import type { NativeCall, NativeHandlers } from '../native-service.ts'
import { modeOf, operationOf, ownerOf } from './creation-options.ts'
import { listedBlocks, listedFileInfo, nativeFileInfo, nativeFileWithBlocks } from './file-info-translation.ts'
import { pathGiven } from './given-paths.ts'
import { RepeatedCalls } from './repeated-calls.ts'

type Methods =
  | 'getStatus'
  | 'getStatusBatch'
  | 'listStatus'
  | 'createDirectory'
  | 'remove'
  | 'rename'
  | 'free'
  | 'setAttribute'
export type PathHandlers = Required<Pick<NativeHandlers<typeof FileSystemMasterClientServiceDefinition>, Methods>>

export interface PathParts {
  readonly lifecycle: Service<typeof LifecycleServiceDefinition>
  readonly master: Service<typeof MasterServiceDefinition>
}

const entriesPerPage = 1000
/** Paths of one batch. */
const batchMax = 1000
/** A client takes messages of 4 MiB. */
const messageBytesMax = 2 * 1024 ** 2
const entryBytes = 300
/** An id in a message. */
const blockIdBytes = 10
/** More than a client can be told of (file-info-translation.ts). */
const lookBlocksMax = 1_000_000
const loadMetadata = { never: 0, always: 2 } as const

export function pathHandlers(parts: PathParts): PathHandlers {
  const paths = new NativePaths(parts)
  const done = async (act: Promise<void>): Promise<Record<string, never>> => {
    await act
    return {}
  }
  return {
    getStatus: async ({ path, options }, call) => ({ fileInfo: await paths.status(pathGiven(path), options, call) }),
    getStatusBatch: async ({ paths: given, options }, call) => paths.statuses(given, options, call),
    listStatus: ({ path, options }, call, send) => paths.list(pathGiven(path), options, call, send),
    createDirectory: (request, call) => done(paths.makeDirectory(request, call)),
    remove: (request, call) => done(paths.remove(request, call)),
    rename: (request, call) => done(paths.rename(request, call)),
    free: (request, call) => done(paths.free(request, call)),
    setAttribute: (request, call) => done(paths.setAttributes(request, call)),
  }
}

class NativePaths {
  readonly #parts: PathParts
  readonly #repeated = new RepeatedCalls()

  constructor(parts: PathParts) {
    this.#parts = parts
  }

  async status(path: string, options: GetStatusPOptions | undefined, call: NativeCall): Promise<NativeFileInfo> {
    const { file, blocks } = await this.#parts.master.openFile(
      { path, lookBlocksMax, ...maxAge(options) },
      optionsOf(call),
    )
    if (file === undefined) throw new SkeinError('internal', `the master said nothing of ${path}`)
    if (file.folder) return nativeFileInfo(file, { writePolicy: await this.#writePolicy(path, call) })
    const numbers = new Map<string, bigint>()
    const numberOf = (workerId: string): bigint => {
      const number = numbers.get(workerId) ?? nativeWorkerId(workerId)
      numbers.set(workerId, number)
      return number
    }
    return nativeFileWithBlocks(
      file,
      blocks.map(({ workerIds }) => workerIds.map(numberOf)),
    )
  }

  async statuses(
    paths: readonly string[],
    options: GetStatusPOptions | undefined,
    call: NativeCall,
  ): Promise<{ fileInfos: NativeFileInfo[]; failedPaths: string[] }> {
    if (paths.length > batchMax)
      throw new SkeinError('invalid_argument', `${paths.length} paths in one call, ${batchMax} at most`)
    const fileInfos: NativeFileInfo[] = []
    const failedPaths: string[] = []
    for (const path of paths) {
      try {
        fileInfos.push(await this.status(pathGiven(path), options, call))
      } catch (thrown) {
        call.signal.throwIfAborted()
        if (!isSkeinError(thrown, 'not_found') && !isSkeinError(thrown, 'invalid_argument')) throw thrown
        failedPaths.push(path)
      }
    }
    return { fileInfos, failedPaths }
  }

  async list(
    path: string,
    options: GetStatusPOptions | undefined,
    call: NativeCall,
    send: (response: { fileInfos: NativeFileInfo[] }) => Promise<void>,
  ): Promise<void> {
    for (let pageToken = ''; ;) {
      const request = { path, recursive: false, pageToken, limit: entriesPerPage, ...maxAge(options) }
      const { files, nextPageToken } = await this.#parts.master.listStatus(request, optionsOf(call))
      for (const part of messagesOf(files)) await send({ fileInfos: part.map(listedFileInfo) })
      if (nextPageToken === '') return
      pageToken = nextPageToken
    }
  }

  async makeDirectory({ path: given, options }: CreateDirectoryPRequest, call: NativeCall): Promise<void> {
    const path = pathGiven(given)
    const mode = modeOf(options?.mode)
    const owner = ownerOf(call.user)
    await this.#repeated.once(operationOf(options?.commonOptions), async () => {
      const known = await this.#statusIfAny(path, call)
      if (known?.folder === false) throw new SkeinError('already_exists', `${path} is a file`)
      if (known !== undefined && options?.allowExists !== true)
        throw new SkeinError('already_exists', `${path} exists already`)
      if (known !== undefined) return
      if (options?.recursive !== true) await this.#checkParent(path, call)
      await this.#parts.lifecycle.makeDirectory({ path }, optionsOf(call))
      const ownership = { ...(mode !== undefined && { mode }), ...(owner !== undefined && { owner }) }
      if (mode !== undefined || owner !== undefined)
        await this.#parts.lifecycle.setPathOwnership({ path, recursive: false, ...ownership }, optionsOf(call))
    })
  }

  async remove({ path: given, options }: DeletePRequest, call: NativeCall): Promise<void> {
    const path = pathGiven(given)
    const { recursive = false, goosefsOnly: cacheOnly = false } = options ?? {}
    await this.#repeated.once(operationOf(options?.commonOptions), async () => {
      try {
        await this.#parts.lifecycle.delete({ path, recursive, cacheOnly }, optionsOf(call))
      } catch (thrown) {
        if (!isSkeinError(thrown, 'not_found') || !(await this.#abandon(path, call))) throw thrown
      }
    })
  }

  async rename({ path: given, dstPath, options }: RenamePRequest, call: NativeCall): Promise<void> {
    const [from, to] = [pathGiven(given), pathGiven(dstPath)]
    await this.#repeated.once(operationOf(options?.commonOptions), async () => {
      await this.#parts.lifecycle.rename({ from, to }, optionsOf(call))
    })
  }

  async free({ path: given, options }: FreePRequest, call: NativeCall): Promise<void> {
    const path = pathGiven(given)
    await this.#repeated.once(operationOf(options?.commonOptions), async () => {
      if (options?.recursive !== true && (await this.#parts.master.getStatus({ path }, optionsOf(call))).folder)
        throw new SkeinError('failed_precondition', `Is a directory: ${path}; free it with recursive`)
      await this.#parts.master.free({ path, force: options?.forced === true }, optionsOf(call))
    })
  }

  async setAttributes({ path: given, options = {} }: SetAttributePRequest, call: NativeCall): Promise<void> {
    const path = pathGiven(given)
    const { owner, group, persisted, recursive = false } = options
    const mode = modeOf(options.mode)
    if (options.readPType !== undefined || options.writePType !== undefined)
      throw new SkeinError('unimplemented', 'read and write types are attributes of a namespace: use ns update')
    await this.#repeated.once(operationOf(options.commonOptions), async () => {
      const changes = {
        ...(owner !== undefined && { owner }),
        ...(group !== undefined && { group }),
        ...(mode !== undefined && { mode }),
      }
      if (Object.keys(changes).length > 0)
        await this.#parts.lifecycle.setPathOwnership({ path, recursive, ...changes }, optionsOf(call))
      if (persisted !== true) return
      const { failures } = await this.#parts.lifecycle.persist({ path }, optionsOf(call))
      if (failures[0] !== undefined) throw new SkeinError('unavailable', failures[0])
    })
  }

  /** A file that is being written there is given up. @returns whether there was one */
  async #abandon(path: string, call: NativeCall): Promise<boolean> {
    const { lifecycle } = this.#parts
    try {
      const { fileId } = await lifecycle.getUnfinishedFile({ requestKey: requestKeyOfPath(path) }, optionsOf(call))
      await lifecycle.abandonFile({ fileId }, optionsOf(call))
      return true
    } catch (thrown) {
      if (isSkeinError(thrown, 'not_found')) return false
      throw thrown
    }
  }

  async #statusIfAny(path: string, call: NativeCall): Promise<FileInfo | undefined> {
    try {
      return await this.#parts.master.getStatus({ path }, optionsOf(call))
    } catch (thrown) {
      if (isSkeinError(thrown, 'not_found')) return undefined
      throw thrown
    }
  }

  /** @throws SkeinError not_found, failed_precondition: a file */
  async #checkParent(path: string, call: NativeCall): Promise<void> {
    const parent = path.slice(0, path.lastIndexOf('/')) || '/'
    const known = await this.#statusIfAny(parent, call)
    if (known === undefined) throw new SkeinError('not_found', `${parent} does not exist: create it first`)
    if (!known.folder) throw new SkeinError('failed_precondition', `${parent} is a file`)
  }

  async #writePolicy(path: string, call: NativeCall): Promise<string | undefined> {
    try {
      const { attributes } = await this.#parts.master.getNamespace({ name: '', path }, optionsOf(call))
      return attributes['writePolicy']
    } catch (thrown) {
      // Of `/` without a root mount.
      if (isSkeinError(thrown, 'not_found') || isSkeinError(thrown, 'invalid_argument')) return undefined
      throw thrown
    }
  }
}

function optionsOf({ signal }: NativeCall): CallOptions {
  return { signal }
}

/** How old what is known of the store may be; nothing: the master's setting. */
function maxAge(options: GetStatusPOptions | undefined): { syncIntervalMs?: number } {
  if (options?.loadMetadataType === loadMetadata.never) return { syncIntervalMs: -1 }
  if (options?.loadMetadataType === loadMetadata.always) return { syncIntervalMs: 0 }
  const given = options?.commonOptions?.syncIntervalMs
  if (given === undefined || given < 0n) return {}
  return { syncIntervalMs: Number(given < BigInt(Number.MAX_SAFE_INTEGER) ? given : -1n) }
}

/** Entries that fit into one message each. */
function* messagesOf(files: readonly FileInfo[]): Generator<FileInfo[]> {
  let part: FileInfo[] = []
  let bytes = 0
  for (const file of files) {
    const names = 2 * file.path.length + file.name.length + file.ufsPath.length
    const size = entryBytes + 3 * names + blockIdBytes * listedBlocks(file)
    if (part.length > 0 && bytes + size > messageBytesMax) {
      yield part
      part = []
      bytes = 0
    }
    part.push(file)
    bytes += size
  }
  if (part.length > 0) yield part
}
