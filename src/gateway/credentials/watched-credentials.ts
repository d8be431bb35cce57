// Why: access keys are added and revoked while the door is open. How: the file is looked at every
// moment, and read again when it is another one. A file that cannot be used changes nothing: the
// keys that were read last stay, and the log says why.
import { stat } from 'node:fs/promises'
import type { Clock } from '../../base/clock.ts'
import { toSkeinError } from '../../base/errors.ts'
import type { Logger } from '../../telemetry/logger.ts'
import type { Callers } from '../callers.ts'
import { readCredentials } from './credentials-file.ts'

const lookEveryMs = 1000

export interface WatchedCredentials {
  readonly callers: Callers
  close(): void
}

/** @throws SkeinError failed_precondition when the file cannot be used now */
export async function openCredentials(
  path: string,
  { clock, logger }: { readonly clock: Pick<Clock, 'schedule'>; readonly logger: Logger },
): Promise<WatchedCredentials> {
  let seen = await markOf(path)
  let current = await readCredentials(path)
  let isClosed = false
  let cancel = (): void => undefined
  const look = async (): Promise<void> => {
    const mark = await markOf(path)
    if (mark !== seen) {
      seen = mark
      try {
        current = await readCredentials(path)
        logger.info('the access keys were read again', { file: path })
      } catch (thrown) {
        logger.error('the access keys were changed and cannot be used: those read before stay', {
          error: toSkeinError(thrown),
        })
      }
    }
    if (!isClosed) arm()
  }
  const arm = (): void => {
    cancel = clock.schedule(lookEveryMs, () => void look())
  }
  arm()
  return {
    callers: { withKey: (accessKeyId) => current.withKey(accessKeyId) },
    close: () => {
      isClosed = true
      cancel()
    },
  }
}

/** Changes when the file does. */
async function markOf(path: string): Promise<string> {
  try {
    const { ino, size, mode, mtimeMs, ctimeMs } = await stat(path)
    return [ino, size, mode, mtimeMs, ctimeMs].join(' ')
  } catch (thrown) {
    return toSkeinError(thrown).message
  }
}
