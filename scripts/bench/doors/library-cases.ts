// Why: a program that reads through the library on the host of the blocks, beside one that only
// reads and checks the same pages. How: both in this process, into the same memory, with reads that
// follow each other. The other program reads the block files themselves: how fast a file is read
// from the memory of the kernel depends on the pieces in which it was written. It also reads the
// plain files, which were written at once.
import { open, type FileHandle } from 'node:fs/promises'
import { readdirSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { crc32 as zlibCrc32 } from 'node:zlib'
import { crc32 } from '../../../src/base/checksum/crc32.ts'
import { unzeroedBytes } from '../../../src/base/flow/aligned-memory.ts'
import { pageBytes, pageChecksums } from '../../../src/base/page-checksum.ts'
import { connect } from '../../../src/client/library.ts'
import type { DoorCase, DoorSetup } from './door-case.ts'

const readBytes = 4 * pageBytes

export async function libraryCases(setup: DoorSetup): Promise<DoorCase[]> {
  const { addresses, pid, home, large, largeBytes, plain, onEnd } = setup
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
  const plainFiles = large.map((name) => join(plain, name))
  const blockFiles = filesBelow(home).filter((path) => /\/blocks\//.test(path) && statSync(path).size > largeBytes)
  if (blockFiles.length !== large.length) throw new Error('a large object is not one block')
  const bare = async (paths: readonly string[], crc: (bytes: Uint8Array) => number): Promise<void> => {
    for (const path of paths) {
      const file = await open(path)
      const known = sums.get(path) ?? (await checksumsOf(file, largeBytes))
      sums.set(path, known)
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
        { name: 'bare program', pids: [], run: () => bare(blockFiles, crc32) },
        { name: 'bare, of plain files', pids: [], run: () => bare(plainFiles, crc32) },
        { name: 'bare program with zlib', pids: [], run: () => bare(blockFiles, zlibCrc32) },
      ],
      goal: { way: 'bare program', ratio: 0.9 },
    },
  ]
}

function filesBelow(folder: string): string[] {
  return readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map(({ parentPath, name }) => join(parentPath, name))
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
