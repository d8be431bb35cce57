// Why: what the tests of block stores share: headers, bytes, a record of events, a clock that
// stands still.
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { seededRandom, systemClock, type Clock } from '../../../src/base/clock.ts'
import type { BlockEviction } from '../../../src/block/block-eviction.ts'
import type { BlockHeader, BlockStore, BlockStoreEvents, KeptBlock } from '../../../src/block/block-store.ts'
import type { DirectoryStoreDependencies } from '../../../src/block/disk/directory-options.ts'
import { silentLogger } from '../../../src/telemetry/logger.ts'
import { MetricRegistry } from '../../../src/telemetry/registry.ts'

export const mebibyte = 1024 * 1024
export const never = new AbortController().signal

export function headerOf(blockId: number, length: number, key = `dir/file ${blockId}+é.bin`): BlockHeader {
  return { blockId, length, namespaceId: 'ns-1', key, etag: `etag-${blockId}`, offset: 0 }
}

/** Bytes that differ for each seed. */
export function bytesOf(length: number, seed: number): Buffer {
  const random = seededRandom(seed)
  const bytes = Buffer.alloc(length)
  let word = 0
  for (let at = 0; at < length; at += 1) {
    if (at % 61 === 0) word = Math.floor(random() * 2 ** 32)
    bytes[at] = (word >>> (at % 24)) & 0xff
  }
  return bytes
}

/** Writes down what a store says. */
export class EventRecord implements BlockStoreEvents {
  readonly lines: string[] = []

  added({ blockId }: KeptBlock): void {
    this.lines.push(`+${blockId}`)
  }

  removed(blockId: number, why: string): void {
    this.lines.push(`-${blockId} ${why}`)
  }
}

const sleepMsMax = 20

/** Real sleeps, but short ones, and a monotonic reading that only `passMs` moves. */
export class StandingClock implements Clock {
  #monotonicMs = 1000

  nowMs(): number {
    return systemClock.nowMs()
  }

  /** No longer than that: whoever waits for time that stands still finds it where it was. */
  sleep(ms: number, signal: AbortSignal): Promise<void> {
    return systemClock.sleep(Math.min(ms, sleepMsMax), signal)
  }

  schedule(ms: number, task: () => void): () => void {
    return systemClock.schedule(ms, task)
  }

  monotonicMs(): number {
    return this.#monotonicMs
  }

  passMs(ms: number): void {
    this.#monotonicMs += ms
  }
}

export interface StoreDependencies extends DirectoryStoreDependencies {
  readonly events: EventRecord
  readonly clock: StandingClock
}

export function storeDependencies(): StoreDependencies {
  return { events: new EventRecord(), clock: new StandingClock(), logger: silentLogger, metrics: new MetricRegistry() }
}

/** For worker services over stores that do not evict. */
export const noEviction: BlockEviction = {
  setPinned: () => undefined,
  setRunningLoads: () => undefined,
  hold: () => true,
}

/** A new empty folder, and how to remove it. */
export async function temporaryFolder(): Promise<{ path: string; remove: () => Promise<void> }> {
  const path = await mkdtemp(join(tmpdir(), 'skein-blocks-'))
  return { path, remove: () => rm(path, { recursive: true, force: true }) }
}

export async function readWhole(store: BlockStore, blockId: number): Promise<Buffer> {
  const reader = await store.open(blockId)
  try {
    return Buffer.from(await reader.read(0, reader.header.length, never))
  } finally {
    await reader.close()
  }
}

export function usedBytesOf(store: BlockStore): number {
  return store.usage().reduce((total, usage) => total + usage.usedBytes, 0)
}
