// Why: stdout names the first files that a load could not bring in; the whole list goes to a file.
// How: page by page, so that a million failures need no memory.
import { open, mkdir, type FileHandle } from 'node:fs/promises'
import { join } from 'node:path'
import { loadFiles } from '../../client/load-looks.ts'
import type { JobServiceDefinition, LoadFile } from '../../wire/generated/job.ts'
import type { Service } from '../../wire/service.ts'
import { failedListLine, failedNamedMax } from '../format/format-load.ts'

export interface FailedFiles {
  /** The first ones. */
  readonly named: readonly LoadFile[]
  /**
   * The file with all of them, one `path: reason (attempts N, worker W)` a line; undefined when it
   * could not be written.
   */
  readonly list: string | undefined
}

/**
 * Asks for the failed files and writes `<home>/failed/<loadId>.txt` (0600). `onProblem` hears why
 * the file could not be written.
 */
export async function collectFailedFiles(
  jobs: Pick<Service<JobServiceDefinition>, 'listLoadFiles'>,
  loadId: string,
  home: string,
  signal: AbortSignal,
  onProblem: (message: string) => void,
): Promise<FailedFiles> {
  const named: LoadFile[] = []
  const path = join(home, 'failed', `${loadId.replaceAll(/[^A-Za-z0-9._-]/g, '_')}.txt`)
  const file = await openList(home, path, onProblem)
  try {
    for await (const page of loadFiles(jobs, loadId, true, signal)) {
      named.push(...page.slice(0, failedNamedMax - named.length))
      await file?.write(page.map((one) => `${failedListLine(one)}\n`).join(''))
    }
  } finally {
    await file?.close()
  }
  return { named, list: file === undefined ? undefined : path }
}

async function openList(
  home: string,
  path: string,
  onProblem: (message: string) => void,
): Promise<FileHandle | undefined> {
  try {
    await mkdir(join(home, 'failed'), { recursive: true, mode: 0o700 })
    return await open(path, 'w', 0o600)
  } catch (thrown) {
    onProblem(`the list of failed files cannot be written to ${path}: ${(thrown as Error).message}`)
    return undefined
  }
}
