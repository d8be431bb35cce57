// Why: what only the cache has is put at the store. How: a worker that has the file's blocks writes the object, then the
// file's new version is journaled; a file that is at the store already is left alone. Each file by itself: those that
// fail are named, the others are done.
import { blockCount, blockIdOf } from '../base/block-id.ts'
import { SkeinError, toSkeinError } from '../base/errors.ts'
import { SingleFlight } from '../base/single-flight.ts'
import type { FileInode, NamespaceRecord } from '../meta/tables.ts'
import type { BlockSource, PersistResponse, PersistServiceDefinition } from '../wire/generated/lifecycle.ts'
import type { CallOptions, Service } from '../wire/service.ts'
import type { MasterContext } from './master-context.ts'
import { checkWritable, tryEach } from './object-changes.ts'
import type { PathLocator } from './path-locator.ts'
import { filesOf, pathOf, targetOf } from './tree-pages.ts'

/** The PersistService of the worker at an RPC address. */
export type PersistOn = (workerRpcAddress: string) => Service<typeof PersistServiceDefinition>

/** How long a worker may take for an object: a base, and its bytes at the slowest speed that is put up with (1 MiB/s). */
const deadlineBaseMs = 60_000
const slowestBytesPerMs = 1024 ** 2 / 1000
/** Failures that an answer names. */
const failuresMax = 1000

export class PersistService {
  readonly #context: MasterContext
  readonly #locator: PathLocator
  readonly #persistOn: PersistOn | undefined
  readonly #running = new SingleFlight<number, boolean>()

  constructor(context: MasterContext, locator: PathLocator, persistOn: PersistOn | undefined) {
    this.#context = context
    this.#locator = locator
    this.#persistOn = persistOn
  }

  /** @throws SkeinError not_found, invalid_argument for `/`, failed_precondition for a read-only namespace */
  async persist(pathText: string, { signal }: CallOptions): Promise<PersistResponse> {
    const target = await targetOf(this.#locator, pathText, '/ itself cannot be persisted: name a namespace, a directory or a file', signal)
    checkWritable(target.record, 'nothing is persisted there')
    const answer: PersistResponse = { persisted: 0, already: 0, failures: [] }
    for await (const page of filesOf(this.#context, target, signal)) {
      const only = page.filter(({ file }) => !file.persisted)
      answer.already += page.length - only.length
      const { done, failed } = await tryEach(only, ({ key, file }) => this.persistFile(target.record, key, file, signal))
      for (const { result } of done) {
        if (result) answer.persisted += 1
        else answer.already += 1
      }
      const texts = failed.map(({ item, error }) => `${pathOf(target.record, item.key)}: ${error.message}`)
      answer.failures.push(...texts.slice(0, failuresMax - answer.failures.length))
    }
    return answer
  }

  /** One file; whoever else asks for it meanwhile waits for the same. @returns false when it was persisted already */
  persistFile(record: NamespaceRecord, key: string, file: FileInode, signal: AbortSignal): Promise<boolean> {
    return this.#running.run(file.id, () => this.#persistFile(record, key, file, signal))
  }

  async #persistFile(record: NamespaceRecord, key: string, file: FileInode, signal: AbortSignal): Promise<boolean> {
    const { tables, log, clock, stores, logger } = this.#context
    const now = tables.inode(file.id)
    if (now?.kind !== 'file') throw new SkeinError('not_found', 'the file was removed meanwhile')
    if (now.persisted) return false
    if (this.#persistOn === undefined) throw new SkeinError('unimplemented', 'this master has no connection to the workers that persist')
    const { rpcAddress, blocks } = this.#sources(file)
    const { id: fileId, length, blockSizeBytes } = file
    const worker = this.#persistOn(rpcAddress)
    const { etag, modifiedMs } = await worker.persistFile(
      { namespaceId: record.id, key, fileId, length, blockSizeBytes, blocks, overwrite: false },
      { signal, deadlineMs: deadlineBaseMs + length / slowestBytesPerMs },
    )
    const { changed } = await log.submit({ type: 'persist_files', atMs: clock.nowMs(), files: [{ fileId, etag, modifiedMs }] })
    if (changed === 0 && tables.inode(fileId) === undefined) {
      // Removed while it was written: its object goes as well.
      const store = await stores.get(record)
      await store
        .delete(key, signal)
        .catch((error: unknown) => logger.warn('an object of a removed file stays', { key, error: toSkeinError(error) }))
      throw new SkeinError('not_found', 'the file was removed meanwhile')
    }
    return true
  }

  /** Who has the blocks, and of these the one that has most of them: it writes the object. */
  #sources(file: FileInode): { readonly rpcAddress: string; readonly blocks: BlockSource[] } {
    const { workers } = this.#context
    workers.expire()
    const blocksOf = new Map<string, number>()
    const blocks: BlockSource[] = []
    for (let index = 0; index < blockCount(file.length, file.blockSizeBytes); index += 1) {
      const ids = workers.workerIds(blockIdOf(file.id, index))
      if (ids.length === 0) {
        throw new SkeinError('unavailable', `block ${index} is on no live worker: wait for the worker that has it`, {
          reason: 'block_missing',
        })
      }
      for (const id of ids) blocksOf.set(id, (blocksOf.get(id) ?? 0) + 1)
      blocks.push({ dataAddresses: workers.infos(ids).map(({ dataAddress }) => dataAddress) })
    }
    const [most] = [...blocksOf].sort(([, a], [, b]) => b - a)
    const [writer] = most === undefined ? workers.list().filter(({ live }) => live) : workers.infos([most[0]])
    if (writer === undefined) throw new SkeinError('unavailable', 'no worker lives that could write the object')
    return { rpcAddress: writer.rpcAddress, blocks }
  }
}
