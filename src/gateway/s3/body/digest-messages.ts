// Why: the thread that serves requests and those that compute digests are one program in two files.
// How: the messages between them. Memory is moved, not copied.
import type { DigestName } from './running-digests.ts'

export type DigestRequest =
  | {
      readonly kind: 'bytes'
      readonly content: number
      /** With the first message of a content. */
      readonly names?: readonly DigestName[]
      readonly buffers: readonly ArrayBuffer[]
      /** Index of the buffer, offset and length of each part, one after the other. */
      readonly parts: readonly number[]
      /** No more bytes follow: the answer has the digests. */
      readonly isLast: boolean
    }
  | { readonly kind: 'drop'; readonly content: number }

export interface DigestAnswer {
  readonly content: number
  /** Bytes that were computed since the last answer. */
  readonly bytes: number
  readonly digests?: readonly Uint8Array[]
}
