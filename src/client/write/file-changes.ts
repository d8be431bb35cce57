// Why: the half of a file system that changes things (file-system.ts), apart from the half that
// reads. How: each change is a call to the master; the bytes of files go through a file writer.
import { SkeinError } from '../../base/errors.ts'
import type { FileInfo, MasterServiceDefinition } from '../../wire/generated/master.ts'
import type { LifecycleServiceDefinition } from '../../wire/generated/lifecycle.ts'
import type { Service } from '../../wire/service.ts'
import type {
  AttributeChanges,
  CallSignal,
  CreateOptions,
  DeleteOptions,
  FileOutput,
  FileStatus,
} from '../file-system.ts'
import type { FileSystem } from '../file-system.ts'
import type { FileWriter } from './file-writer.ts'

/** The methods of FileSystem that change things, with its errors. */
export type FileChanges = Pick<FileSystem, 'create' | 'makeDirectory' | 'rename' | 'delete' | 'setAttributes'>

export interface MasterFileChangesOptions {
  readonly master: Pick<Service<MasterServiceDefinition>, 'getStatus'>
  readonly lifecycle: Pick<
    Service<LifecycleServiceDefinition>,
    'makeDirectory' | 'rename' | 'delete' | 'setPinned' | 'setTtl' | 'setPathReplication'
  >
  readonly writer: Pick<FileWriter, 'create'>
  /** Status of a file from what the master says of it. */
  readonly statusOf: (file: FileInfo) => FileStatus
}

const unlimited = -1

export class MasterFileChanges implements FileChanges {
  readonly #options: MasterFileChangesOptions

  constructor(options: MasterFileChangesOptions) {
    this.#options = options
  }

  async create(path: string, options: CreateOptions = {}): Promise<FileOutput> {
    refuseOther(options, ['signal', 'blockSizeBytes', 'length', 'ifExists'])
    if (options.ifExists === 'overwrite') throw new SkeinError('unimplemented', 'files cannot be overwritten')
    const { blockSizeBytes, length, signal = neverAborted() } = options
    const output = await this.#options.writer.create(path, { blockSizeBytes, length }, signal)
    return {
      write: (chunk) => output.write(chunk),
      close: async (metadata = {}) => {
        refuseOther(metadata, [])
        await output.close()
        return this.#options.statusOf(await this.#options.master.getStatus({ path }, { signal }))
      },
      abort: () => output.abort(),
    }
  }

  async makeDirectory(path: string, { signal = neverAborted() }: CallSignal = {}): Promise<void> {
    await this.#options.lifecycle.makeDirectory({ path }, { signal })
  }

  async rename(from: string, to: string, { signal = neverAborted() }: CallSignal = {}): Promise<void> {
    await this.#options.lifecycle.rename({ from, to }, { signal })
  }

  async delete(
    path: string,
    { signal = neverAborted(), recursive = false, keepEntries }: DeleteOptions = {},
  ): Promise<void> {
    if (keepEntries === true) throw new SkeinError('unimplemented', 'a directory is deleted with its entries only')
    await this.#options.lifecycle.delete({ path, recursive, cacheOnly: false }, { signal })
  }

  async setAttributes(path: string, changes: AttributeChanges): Promise<void> {
    const { lifecycle } = this.#options
    refuseOther(changes, ['signal', 'pinned', 'ttl', 'replicationMin', 'replicationMax', 'recursive'])
    const { signal = neverAborted(), pinned, ttl, replicationMin, replicationMax, recursive = false } = changes
    if (pinned !== undefined) await lifecycle.setPinned({ path, pinned }, { signal })
    if (ttl !== undefined) {
      const { ms, action } = ttl === 'none' ? { ms: unlimited, action: 'FREE' } : ttl
      await lifecycle.setTtl({ path, ttlMs: ms, action }, { signal })
    }
    if (replicationMin !== undefined || replicationMax !== undefined) {
      const limits = {
        ...(replicationMin !== undefined && { min: replicationMin }),
        ...(replicationMax !== undefined && { max: replicationMax === 'none' ? unlimited : replicationMax }),
      }
      await lifecycle.setPathReplication({ path, recursive, ...limits }, { signal })
    }
  }
}

/** @throws SkeinError unimplemented when another field than these is given */
function refuseOther(given: object, fields: readonly string[]): void {
  const other = Object.entries(given).find(([name, value]) => value !== undefined && !fields.includes(name))
  if (other !== undefined) throw new SkeinError('unimplemented', `'${other[0]}' cannot be set`)
}

function neverAborted(): AbortSignal {
  return new AbortController().signal
}
