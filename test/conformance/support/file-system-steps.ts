// Why: the suites of a file system write, read and list in the same few ways.
import { expect } from 'vitest'
import type { CreateOptions, FileStatus, FileSystem, ListOptions } from '../../../src/client/file-system.ts'

export const bytesOf = (text: string): Uint8Array => new TextEncoder().encode(text)

export async function write(
  fileSystem: FileSystem,
  path: string,
  text: string,
  options: CreateOptions = {},
): Promise<FileStatus> {
  const output = await fileSystem.create(path, options)
  await output.write(bytesOf(text))
  return output.close()
}

export async function read(fileSystem: FileSystem, path: string): Promise<string> {
  const handle = await fileSystem.open(path)
  const chunks: Uint8Array[] = []
  for await (const chunk of handle.stream()) chunks.push(chunk)
  await handle.close()
  return Buffer.concat(chunks).toString()
}

export async function entries(fileSystem: FileSystem, path: string, options: ListOptions = {}): Promise<FileStatus[]> {
  const found: FileStatus[] = []
  for await (const page of fileSystem.list(path, options)) {
    expect(page.length).toBeGreaterThan(0)
    expect(page.length).toBeLessThanOrEqual(options.pageSize ?? 1000)
    found.push(...page)
  }
  return found
}

/** Paths below the listed one; directories with a `/` at their end. */
export async function names(fileSystem: FileSystem, path: string, options: ListOptions = {}): Promise<string[]> {
  const listed = await entries(fileSystem, path, options)
  const found = listed.map((entry) => entry.path + (entry.kind === 'directory' ? '/' : ''))
  const start = path.endsWith('/') ? path.length : path.length + 1
  return found.map((entry) => entry.slice(start))
}
