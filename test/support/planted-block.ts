// Why: a disk that mixes files up, a copy put back to the wrong place, or a writer that was wrong
// leave a whole and sound block under another block's id. How: the file of a block is replaced by
// one that says, and has, what the caller wants.
import { readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { blockIdOf } from '../../src/base/block-id.ts'
import { pageChecksums } from '../../src/base/page-checksum.ts'
import { decodeFooter, encodeFooter } from '../../src/block/disk/block-file.ts'
import type { BlockHeader } from '../../src/block/block-store.ts'

/** The path of a file's block in a worker's directory; undefined when it has none of its own. */
export function blockFileOf(directory: string, fileId: number, index = 0): string | undefined {
  const name = blockIdOf(fileId, index).toString(16).padStart(14, '0')
  const found = readdirSync(join(directory, 'blocks'), { recursive: true, withFileTypes: true }).find(
    (entry) => entry.name === name,
  )
  return found === undefined ? undefined : join(found.parentPath, found.name)
}

/**
 * Under the same id, another head and other bytes, as long as the head says; every checksum is
 * right.
 */
export function plant(path: string, other: Partial<BlockHeader>, fill: number): void {
  const before = readFileSync(path)
  const footer = decodeFooter(before, before.length)
  if (footer === undefined) throw new Error(`${path} is no block`)
  const header = { ...footer.header, ...other }
  const data = Buffer.alloc(header.length, fill)
  writeFileSync(path, Buffer.concat([data, encodeFooter(header, pageChecksums(data))]))
}
