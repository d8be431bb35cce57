// Why: every door asks who a caller is and what the caller may do, and a later version will have
// other answers than a file of keys. How: one small interface. Without a file of keys, everybody
// may do everything, and the door listens on loopback only.
import type { Secret } from '../base/secret.ts'

export type Access = 'read' | 'write'

export interface Caller {
  /** The access key's id; for answers and logs. */
  readonly id: string
  /** Checks the signatures of the caller. */
  readonly secret: Secret
  /** `write` includes `read`. */
  may(access: Access, namespace: string): boolean
}

export interface Callers {
  /** Undefined: nobody has this key. */
  withKey(accessKeyId: string): Caller | undefined
}
