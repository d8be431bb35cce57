// Why: after every fault the same question: is every byte there, right, on as many workers as was
// asked? How: a client that reads from the workers only (nothing falls through to the store) and
// compares with what the dataset's keys say.
import { setTimeout } from 'node:timers/promises'
import { systemClock, systemRandom } from '../../src/base/clock.ts'
import { FileReader } from '../../src/client/read/file-reader.ts'
import { silentLogger } from '../../src/telemetry/logger.ts'
import { createClient, type ServiceClient } from '../../src/wire/rpc/channel.ts'
import { DataClient } from '../../src/wire/data/data-client.ts'
import { type FileInfo, MasterServiceDefinition } from '../../src/wire/generated/master.ts'
import type { Service } from '../../src/wire/service.ts'
import { Checksums, type DatasetObject, sha256 } from './dataset.ts'

const parts = { clock: systemClock, random: systemRandom, logger: silentLogger }

export class Oracle {
  readonly #client: ServiceClient<MasterServiceDefinition>
  readonly #data = new DataClient({ clock: systemClock })
  readonly #reader: FileReader
  readonly #signal = new AbortController().signal
  /** What the objects should be. */
  readonly expected = new Checksums()

  constructor(masterAddress: string) {
    this.#client = createClient(MasterServiceDefinition, masterAddress, { ...parts, deadlineMs: 30_000 })
    this.#reader = new FileReader({
      ...parts,
      master: this.#client.service,
      data: this.#data,
      origin: undefined,
      hostname: '',
    })
  }

  get master(): Service<MasterServiceDefinition> {
    return this.#client.service
  }

  async files(path: string): Promise<FileInfo[]> {
    const files: FileInfo[] = []
    for (let pageToken = ''; ;) {
      const page = await this.master.listStatus(
        { path, recursive: true, pageToken, limit: 1000 },
        { signal: this.#signal },
      )
      files.push(...page.files.filter((file) => !file.folder))
      pageToken = page.nextPageToken
      if (pageToken === '') return files
    }
  }

  /** A file as the workers have it. */
  async bytes(path: string): Promise<Buffer> {
    const chunks: Uint8Array[] = []
    for await (const chunk of this.#reader.read(path, this.#signal)) chunks.push(chunk)
    return Buffer.concat(chunks)
  }

  /** The SHA-256 of a file as the workers have it. */
  async checksum(path: string): Promise<string> {
    return sha256(await this.bytes(path))
  }

  /** A master that has just started does not know yet what its workers have, and says so. */
  async untilAllReported(): Promise<void> {
    while ((await this.master.getClusterSummary({}, { signal: this.#signal })).safeMode) await setTimeout(50)
  }

  /**
   * What is wrong with the cached dataset; empty when all is well. `versions`: objects that are not
   * at version 1. `listed`: files of the whole namespace, when only some are looked at.
   */
  async problems(
    namespace: string,
    dataset: readonly DatasetObject[],
    replication: number,
    versions: ReadonlyMap<string, number> = new Map(),
    listed = dataset.length,
  ): Promise<string[]> {
    await this.untilAllReported()
    const files = new Map((await this.files(`/${namespace}`)).map((file) => [file.key, file]))
    const problems: string[] = []
    if (files.size !== listed) problems.push(`${files.size} files listed, ${listed} in the dataset`)
    let next = 0
    const worker = async (): Promise<void> => {
      for (let object = dataset[next++]; object !== undefined; object = dataset[next++]) {
        const file = files.get(object.key)
        if (file === undefined) {
          problems.push(`${object.key}: not listed`)
          continue
        }
        if (file.cachedBytes !== object.length)
          problems.push(`${object.key}: ${file.cachedBytes} of ${object.length} bytes cached`)
        else if (file.replicas < replication) problems.push(`${object.key}: ${file.replicas} replicas`)
        const expected = this.expected.of(object, versions.get(object.key))
        const found = await this.checksum(file.path).catch((error: unknown) => String(error))
        if (found !== expected) problems.push(`${object.key}: bytes differ (${found})`)
      }
    }
    await Promise.all(Array.from({ length: 8 }, worker))
    return problems
  }

  close(): void {
    this.#data.close()
    this.#client.close()
  }
}
