// Why: a program that reads through the library on the host of the blocks, beside one that only
// reads and checks the pages of the same files. How: both in this process, into memory of one page
// and of four, whose reads follow each other.
import { open, type FileHandle } from 'node:fs/promises'
import { join } from 'node:path'
import { crc32 as zlibCrc32 } from 'node:zlib'
import { crc32 } from '../../../src/base/checksum/crc32.ts'
import { unzeroedBytes } from '../../../src/base/flow/aligned-memory.ts'
import { pageBytes, pageChecksums } from '../../../src/base/page-checksum.ts'
import { connect } from '../../../src/client/library.ts'
import type { DoorCase, DoorSetup } from './door-case.ts'

const readBytes = 4 * pageBytes

export async function libraryCases(setup: DoorSetup): Promise<DoorCase[]> {
  const { addresses, pid, large, largeBytes, plain, onEnd } = setup
  const files = connect({ master: addresses['master'] ?? '' })
  onEnd(() => files.close())
  const into = unzeroedBytes(readBytes)
  const sums = new Map<string, readonly number[]>()
  const library = async (readAhead: boolean): Promise<void> => {
    for (const name of large) {
      const file = await files.open(`/data/${name}`, { readAhead })
      for (let at = 0, got = 1; got > 0; at += got) got = await file.read(into, at)
      await file.close()
    }
  }
  const bare = async (crc: (bytes: Uint8Array) => number): Promise<void> => {
    for (const name of large) {
      const file = await open(join(plain, name))
      const known = sums.get(name) ?? (await checksumsOf(file, largeBytes))
      sums.set(name, known)
      for (let at = 0; at < largeBytes; at += readBytes) await readChecked(file, into, at, known, crc)
      await file.close()
    }
  }
  return [
    {
      ...{ name: 'read of the library on the same host', amount: (large.length * largeBytes) / 1024 ** 3, unit: 'GiB' },
      ways: [
        { name: 'library', pids: [pid], run: () => library(true) },
        { name: 'without read-ahead', pids: [pid], run: () => library(false) },
        { name: 'bare program', pids: [], run: () => bare(crc32) },
        { name: 'bare program with zlib', pids: [], run: () => bare(zlibCrc32) },
      ],
      goal: { way: 'bare program', ratio: 0.9 },
    },
  ]
}

async function readChecked(
  file: FileHandle,
  into: Uint8Array,
  at: number,
  known: readonly number[],
  crc: (bytes: Uint8Array) => number,
): Promise<void> {
  const { bytesRead } = await file.read(into, 0, into.length, at)
  for (let page = 0; page < bytesRead; page += pageBytes)
    if (crc(into.subarray(page, Math.min(bytesRead, page + pageBytes))) !== known[(at + page) / pageBytes])
      throw new Error(`the page at ${at + page} is not as it was written`)
}

async function checksumsOf(file: FileHandle, length: number): Promise<readonly number[]> {
  const all: number[] = []
  const into = Buffer.alloc(readBytes)
  for (let at = 0; at < length; at += readBytes) {
    const { bytesRead } = await file.read(into, 0, into.length, at)
    all.push(...pageChecksums(into.subarray(0, bytesRead)))
  }
  return all
}
