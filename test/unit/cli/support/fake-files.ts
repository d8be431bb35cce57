// Why: commands that read files do so through the file system of the client, so tests run its real
// code. How: over a master and bytes that a test gives.
import type { Clock } from '../../../../src/base/clock.ts'
import type { Config } from '../../../../src/config/config.ts'
import { SkeinError } from '../../../../src/base/errors.ts'
import { ConnectedFileSystem } from '../../../../src/client/connected-file-system.ts'
import type { FileStatus } from '../../../../src/client/file-system.ts'
import { FileReads } from '../../../../src/client/open/file-reads.ts'
import { OpenedFiles } from '../../../../src/client/open/opened-files.ts'
import type { WholeFileSystem } from '../../../../src/client/upkeep/file-upkeep.ts'
import { MasterFileUpkeep } from '../../../../src/client/upkeep/master-file-upkeep.ts'
import { type FileChanges, MasterFileChanges } from '../../../../src/client/write/file-changes.ts'
import type { LifecycleServiceDefinition } from '../../../../src/wire/generated/lifecycle.ts'
import { FileInfo, type MasterServiceDefinition } from '../../../../src/wire/generated/master.ts'
import type { Service } from '../../../../src/wire/service.ts'

const syncKey = 'goosefs.user.file.metadata.sync.interval'

export interface FakeFiles {
  readonly master: Service<MasterServiceDefinition>
  readonly lifecycle: Service<LifecycleServiceDefinition>
  /** Whose `-D` says how old what is known of a store may be. */
  readonly config: Config
  /** Whether the test gave the method openFile, and getStatus. */
  readonly hasOpenFile: boolean
  readonly hasStatus: boolean
  /** Chunks by path. */
  readonly files: Readonly<Record<string, readonly string[]>>
  /** Takes the files that are written; those that are in it exist already. */
  readonly written: Map<string, Buffer>
  readonly clock: Clock
  /** Called after each chunk. */
  readonly onChunk: () => void
  readonly close: () => void
}

export function fakeFiles(fake: FakeFiles): WholeFileSystem {
  const { lifecycle, config } = fake
  const { master, hasOpenFile, hasStatus, files, written, clock, onChunk, close } = fake
  const opened = new OpenedFiles({ clock, keepMs: 0 })
  const openFile: Service<MasterServiceDefinition>['openFile'] = async (request, options) => {
    if (hasOpenFile) return master.openFile(request, options)
    const chunks = files[request.path]
    if (chunks === undefined) {
      const isDirectory = hasStatus && (await master.getStatus(request, options)).folder
      throw isDirectory
        ? new SkeinError('failed_precondition', `${request.path} is a directory; give a file`)
        : new SkeinError('not_found', `${request.path} does not exist`)
    }
    const length = Buffer.byteLength(chunks.join(''))
    return { file: FileInfo.fromPartial({ path: request.path, length, etag: 'e' }), blocks: [], workers: [] }
  }
  const reads = new FileReads({
    master: {
      openFile,
      getStatus: (request, options) => master.getStatus(request, options),
      listStatus: (request, options) => master.listStatus(request, options),
      refreshFile: (request, options) => master.refreshFile(request, options),
      count: (request, options) => master.count(request, options),
      getClusterSummary: (request, options) => master.getClusterSummary(request, options),
    },
    reader: {
      isInFile: () => false,
      keptBytes: () => undefined,
      readFromFile: async () => false,
      async *readOpened({ file }, _signal, { range } = {}) {
        const whole = files[file?.path ?? '']
        if (whole === undefined) throw new SkeinError('not_found', `${file?.path} does not exist`)
        const bytes = Buffer.from(whole.join(''))
        const isPart = range !== undefined && range.length < bytes.length
        const chunks = isPart ? [bytes.subarray(range.offset, range.offset + range.length)] : whole
        for (const chunk of chunks) {
          yield Buffer.from(chunk)
          onChunk()
        }
      },
    },
    opened,
    syncIntervalMs: config.sources.has(syncKey) ? config.user.metadataSyncIntervalMs : undefined,
    clock,
  })
  const disconnect = async (): Promise<void> => close()
  const create: FileChanges['create'] = async (path, { length } = {}) => {
    if (written.has(path)) throw new SkeinError('already_exists', `${path} exists already: remove it first`)
    const parts: Uint8Array[] = []
    return {
      write: async (chunk) => {
        parts.push(Buffer.from(chunk))
        onChunk()
      },
      close: async () => {
        const bytes = Buffer.concat(parts)
        if (bytes.length !== length) throw new SkeinError('invalid_argument', `${bytes.length} bytes, not ${length}`)
        written.set(path, bytes)
        return {} as FileStatus
      },
      abort: async () => undefined,
    }
  }
  const statusOf = (): never => {
    throw new Error('the fake files are created without a master')
  }
  const changing = new MasterFileChanges({ master, lifecycle, writer: { create: statusOf }, statusOf })
  const changes: FileChanges = {
    create,
    makeDirectory: (...asked) => changing.makeDirectory(...asked),
    rename: (...asked) => changing.rename(...asked),
    delete: (...asked) => changing.delete(...asked),
    setAttributes: (...asked) => changing.setAttributes(...asked),
  }
  const upkeep = new MasterFileUpkeep({ master, lifecycle, syncOf: (options) => reads.syncOf(options) })
  return new ConnectedFileSystem({ reads, changes, upkeep, opened, disconnect })
}
