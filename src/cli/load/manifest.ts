// Why: what a load brought in is written down in a form that another cluster can load again,
// version by version. How: JSON lines: the first says whose manifest it is, every other one names a
// file.
import { open, rename, rm, stat } from 'node:fs/promises'
import { SkeinError } from '../../base/errors.ts'
import { formatPath, placeWithin } from '../../base/paths.ts'
import { textLines } from '../../base/files/text-file.ts'
import type { IndexItem, JobServiceDefinition, LoadFile, LoadStatus } from '../../wire/generated/job.ts'
import type { NamespaceInfo } from '../../wire/generated/master.ts'
import type { Service } from '../../wire/service.ts'
import { usageError } from '../frame/exit-codes.ts'
import { loadFiles } from '../../client/load-looks.ts'

const version = 1

/** Whose manifest it is. */
export interface ManifestHead {
  /** Empty for the root mount. */
  readonly namespace: string
  /** Of the namespace: the bucket and prefix that the keys are below. */
  readonly uri: string
}

/**
 * Refuses a place that cannot be written to before the load, not hours later. @throws SkeinError
 * failed_precondition
 */
export async function checkManifest(file: string): Promise<void> {
  const partial = `${file}.partial`
  try {
    if ((await stat(file).catch(() => undefined))?.isDirectory() === true) throw new Error('it is a directory')
    await (await open(partial, 'w', 0o644)).close()
    await rm(partial)
  } catch (thrown) {
    throw notWritten(file, thrown)
  }
}

/**
 * Writes the files of an ended load; the file is there whole or not at all. @returns how many files
 * it names
 */
export async function writeManifest(
  file: string,
  jobs: Pick<Service<JobServiceDefinition>, 'listLoadFiles'>,
  status: LoadStatus,
  { name: namespace, uri }: Pick<NamespaceInfo, 'name' | 'uri'>,
  signal: AbortSignal,
): Promise<number> {
  const partial = `${file}.partial`
  let files = 0
  try {
    const out = await open(partial, 'w', 0o644)
    try {
      const head = {
        skeinManifest: version,
        namespace,
        uri,
        path: status.path,
        load: status.loadId,
        state: status.state,
      }
      await out.write(`${JSON.stringify(head)}\n`)
      for await (const page of loadFiles(jobs, status.loadId, false, signal)) {
        files += page.length
        if (page.length > 0) await out.write(page.map((one) => `${JSON.stringify(lineOf(one, namespace))}\n`).join(''))
      }
    } finally {
      await out.close()
    }
    await rename(partial, file)
  } catch (thrown) {
    await rm(partial, { force: true })
    if (thrown instanceof SkeinError) throw thrown
    throw notWritten(file, thrown)
  }
  return files
}

function notWritten(file: string, thrown: unknown): SkeinError {
  return new SkeinError('failed_precondition', `the manifest ${file} cannot be written: ${(thrown as Error).message}`, {
    cause: thrown,
  })
}

function lineOf(file: LoadFile, namespace: string): Readonly<Record<string, unknown>> {
  const { key } = placeWithin(namespace, file.path)
  const state = file.state === 'DONE' ? 'LOADED' : file.state
  const reason = file.reason === '' ? {} : { reason: file.reason }
  const checksum = file.crc64 === undefined || file.crc64 === '' ? null : `crc64:${file.crc64}`
  return { key, etag: file.etag ?? '', size: file.length, blocks: file.blocks ?? 0, state, checksum, ...reason }
}

/** Reads whose manifest a file is. @throws SkeinError not_found, invalid_argument (usage) */
export async function openManifest(file: string): Promise<ManifestHead> {
  if (file === '-') throw usageError('--from-manifest needs a file, not stdin: the manifest is read twice')
  for await (const line of manifestLines(file)) {
    const head = parsed(line)
    const { skeinManifest, namespace, uri } = head ?? {}
    if (skeinManifest !== version || typeof namespace !== 'string' || typeof uri !== 'string') break
    return { namespace, uri }
  }
  throw usageError(`${file} is not a manifest: the first line was not written by --manifest`)
}

/**
 * The files of a manifest, each in its version only. @throws SkeinError invalid_argument (usage)
 * naming file and line
 */
export async function* manifestItems(file: string, namespace: string): AsyncGenerator<IndexItem, void, undefined> {
  let number = 0
  for await (const line of manifestLines(file)) {
    number += 1
    if (number === 1 || line.trim() === '') continue
    const { key, etag } = parsed(line) ?? {}
    if (typeof key !== 'string' || key === '' || typeof etag !== 'string')
      throw usageError(`${file}:${number}: not a line of a manifest: key and etag are missing`)
    // A file that was never seen has no version.
    yield { path: formatPath({ namespace, key }), ...(etag !== '' && { etag }) }
  }
}

/** A manifest is read twice, which a pipe cannot be. */
function manifestLines(file: string): AsyncGenerator<string, void, undefined> {
  return textLines({ file, name: file, isPipeAllowed: false }, usageError)
}

function parsed(line: string): Readonly<Record<string, unknown>> | undefined {
  try {
    const value: unknown = JSON.parse(line)
    return typeof value === 'object' && value !== null && !Array.isArray(value)
      ? (value as Record<string, unknown>)
      : undefined
  } catch {
    return undefined
  }
}
