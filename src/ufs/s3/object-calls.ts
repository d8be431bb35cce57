// Why: what writes and deletes objects needs the same two ways to the store. How: types.
import type { ObjectInfo } from '../under-file-system.ts'

export interface ObjectCalls {
  readonly find: (key: string, signal: AbortSignal) => Promise<ObjectInfo | undefined>
  /** Sends with the store's retries. */
  readonly send: <T>(
    verb: string,
    key: string,
    signal: AbortSignal,
    send: (abortSignal: AbortSignal) => Promise<T>,
  ) => Promise<T>
}
