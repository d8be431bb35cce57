// Why: what is computed of a content runs along while its bytes pass, on the thread that serves all
// requests or on another one (digest-threads.ts). How: one small interface; here is the way that
// computes at once.
import { createHash } from 'node:crypto'
import { type ChecksumAlgorithm, checksumTable, type RunningChecksum } from './checksum-algorithms.ts'

export type DigestName = 'md5' | ChecksumAlgorithm

/** The digests of one content. Ends with `finish` or `drop`. */
export interface RunningDigests {
  /**
   * Takes the next bytes. They may be read later, so their memory belongs to this object from now
   * on.
   * @param sent memory in which the parts are, one after the other
   * @returns a promise when too much is waiting: when it resolves, more can be taken
   */
  take(sent: Uint8Array, parts: readonly Uint8Array[]): Promise<void> | undefined
  /** The digests, in the order of their names. @throws what made the computing fail */
  finish(): Promise<readonly Buffer[]>
  /** Nobody wants the digests any more. Idempotent; after `finish` it does nothing. */
  drop(): void
}

/** Begins the digests of one content. */
export type BeginDigests = (names: readonly DigestName[]) => RunningDigests

export function runningDigest(name: DigestName): RunningChecksum {
  return name === 'md5' ? createHash('md5') : checksumTable[name].begin()
}

/** Computes at once. */
export const digestsHere: BeginDigests = (names) => {
  const running = names.map(runningDigest)
  return {
    take: (_, parts) => {
      for (const part of parts) for (const digest of running) digest.update(part)
      return undefined
    },
    finish: () => Promise.resolve(running.map((digest) => digest.digest())),
    drop: () => undefined,
  }
}
