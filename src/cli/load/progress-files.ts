// Why: dashboards and Kubernetes operators follow a load by a file. How: SKEIN_PROGRESS_FILE names
// a file with the latest event of load-events.ts, one JSON line; FLUID_PROGRESS_FILE one with
// `N/M`, files that are dealt with of files that are known. Both are replaced whole, so that a
// reader at any moment sees one event. A file that cannot be written never fails a load.
import { rename, rm, writeFile } from 'node:fs/promises'
import { toSkeinError } from '../../base/errors.ts'
import { jsonText } from '../frame/json-document.ts'
import type { LoadEvent } from './load-events.ts'

export interface ProgressFiles {
  write(event: LoadEvent): Promise<void>
}

/** `onProblem` hears once of each file that cannot be written. */
export function progressFiles(
  environment: Readonly<Record<string, string | undefined>>,
  onProblem: (message: string) => void,
): ProgressFiles {
  const files = [
    { path: environment['SKEIN_PROGRESS_FILE'] ?? '', textOf: (event: LoadEvent) => `${jsonText(event)}\n` },
    {
      path: environment['FLUID_PROGRESS_FILE'] ?? '',
      textOf: (event: LoadEvent) => `${event.filesDone}/${event.counts.files}\n`,
    },
  ].filter(({ path }) => path !== '')
  const failing = new Set<string>()
  return {
    write: async (event) => {
      for (const { path, textOf } of files) {
        try {
          await replace(path, textOf(event))
          failing.delete(path)
        } catch (thrown) {
          if (!failing.has(path))
            onProblem(`the progress file ${path} cannot be written: ${toSkeinError(thrown).message}`)
          failing.add(path)
        }
      }
    },
  }
}

async function replace(path: string, text: string): Promise<void> {
  const next = `${path}.${process.pid}.new`
  try {
    await writeFile(next, text)
    await rename(next, path)
  } catch (thrown) {
    await rm(next, { force: true }).catch(() => undefined)
    throw thrown
  }
}
