// Why: a small block costs less to read than to ask for, so small blocks of this host that will be
// read soon are read together. How: blocks that a load wrote one after the other lie one after the
// other in a segment, so one read gets many records. Each is checked as any block that is read here
// (block/directory/located-block.ts): head, version, page checksum. What is not as it should be is
// left out: who reads it goes on as without this. The bytes are kept for a moment, within a limit;
// a block id names one version of its bytes for ever.
import type { Clock } from '../../base/clock.ts'
import { wrongBlock } from '../../base/expected-block.ts'
import { closeFile, openFile, readFileFlags, readFully } from '../../block/disk/disk-calls.ts'
import { isBlockPlace } from '../../block/disk/known-place.ts'
import { blockInRecord } from '../../block/directory/located-block.ts'
import type { LocateBlockResponse } from '../../wire/generated/worker.ts'
import type { NearBlock } from './near-block.ts'

export interface SmallBlocksOptions {
  readonly clock: Pick<Clock, 'monotonicMs' | 'schedule'>
  /** Of all blocks that are kept. */
  readonly bytesMax: number
}

/** Is told of a whole block that was read. Does not throw. */
export type OnBlockRead = (block: NearBlock, bytes: Uint8Array) => void

type Record = Required<LocateBlockResponse> & { readonly header: NonNullable<LocateBlockResponse['header']> }

/** Of one read. */
const spanBytesMax = 1024 * 1024
/** Records that are further apart are not read together. */
const gapBytesMax = 32 * 1024
const keepMs = 2000

interface Kept {
  readonly bytes: Uint8Array
  readonly readMs: number
}

export class SmallBlocks {
  readonly #options: SmallBlocksOptions
  /** By block id, in the order in which they were read. */
  readonly #kept = new Map<number, Kept>()
  #bytes = 0
  #stopLooking: (() => void) | undefined

  constructor(options: SmallBlocksOptions) {
    this.#options = options
  }

  /** Bytes that are kept. */
  get bytes(): number {
    return this.#bytes
  }

  get(blockId: number): Uint8Array | undefined {
    return this.#kept.get(blockId)?.bytes
  }

  /**
   * Reads blocks from where their worker says that they are.
   * @param directories of this worker
   * @throws the file system's error
   */
  async read(
    wanted: readonly NearBlock[],
    located: readonly LocateBlockResponse[],
    directories: readonly string[],
    onRead: OnBlockRead,
  ): Promise<void> {
    const byPath = new Map<string, Record[]>()
    for (const one of located) {
      // Only a record in a segment lies beside others.
      if (!isRecord(one)) continue
      const records = byPath.get(one.path) ?? []
      byPath.set(one.path, records)
      records.push(one)
    }
    const blocks = new Map(wanted.map((block) => [block.blockId, block]))
    for (const [path, records] of byPath) {
      if (!(await isBlockPlace(path, directories))) continue
      const fd = await openFile(path, readFileFlags)
      try {
        for (const span of spansOf(records)) await this.#readSpan(fd, span, blocks, onRead)
      } finally {
        await closeFile(fd)
      }
    }
  }

  close(): void {
    this.#stopLooking?.()
    this.#kept.clear()
    this.#bytes = 0
  }

  async #readSpan(
    fd: number,
    span: readonly Record[],
    blocks: ReadonlyMap<number, NearBlock>,
    onRead: OnBlockRead,
  ): Promise<void> {
    const from = span[0]?.headOffset ?? 0
    const to = span.reduce((end, record) => Math.max(end, endOf(record)), from)
    const memory = Buffer.allocUnsafeSlow(to - from)
    const bytes = memory.subarray(0, await readFully(fd, memory, from))
    for (const record of span) {
      const block = blocks.get(record.header.blockId)
      const at = record.headOffset - from
      const data = blockInRecord(
        bytes.subarray(at, at + record.headBytes + record.header.length),
        record,
        record.header,
      )
      if (block === undefined || data === undefined || wrongBlock(record.header, block.expected) !== undefined) continue
      this.#keep(block.blockId, data)
      onRead(block, data)
    }
  }

  #keep(blockId: number, bytes: Uint8Array): void {
    this.#drop(blockId)
    this.#kept.set(blockId, { bytes, readMs: this.#options.clock.monotonicMs() })
    this.#bytes += bytes.length
    for (const oldest of this.#kept.keys()) {
      if (this.#bytes <= this.#options.bytesMax) break
      this.#drop(oldest)
    }
    this.#lookLater()
  }

  #drop(blockId: number): void {
    this.#bytes -= this.#kept.get(blockId)?.bytes.length ?? 0
    this.#kept.delete(blockId)
  }

  #lookLater(): void {
    this.#stopLooking ??= this.#options.clock.schedule(keepMs, () => {
      this.#stopLooking = undefined
      const untilMs = this.#options.clock.monotonicMs() - keepMs
      for (const [blockId, { readMs }] of this.#kept) if (readMs <= untilMs) this.#drop(blockId)
      if (this.#kept.size > 0) this.#lookLater()
    })
  }
}

function isRecord(one: LocateBlockResponse): one is Record {
  const { header, path, headOffset, headBytes, dataOffset } = one
  return path !== '' && header !== undefined && header.length <= spanBytesMax && headOffset + headBytes === dataOffset
}

function endOf({ dataOffset, header }: Record): number {
  return dataOffset + header.length
}

/** Records that are read together, in the order of their places. */
function spansOf(records: readonly Record[]): Record[][] {
  const spans: Record[][] = []
  for (const record of records.toSorted((a, b) => a.headOffset - b.headOffset)) {
    const span = spans.at(-1)
    const [first, last] = [span?.[0], span?.at(-1)]
    const isNear =
      first !== undefined &&
      last !== undefined &&
      record.headOffset - endOf(last) <= gapBytesMax &&
      endOf(record) - first.headOffset <= spanBytesMax
    if (isNear) span?.push(record)
    else spans.push([record])
  }
  return spans
}
