// Why: every door asks who a caller is and what the caller may do, and a later version will have
// other answers than a file of keys. How: small interfaces, one for callers who sign with a key and
// one for callers who give a name. Nobody proves a name yet: everybody may do everything, as
// without a file of keys, and the door listens on loopback only.
import type { Secret } from '../base/secret.ts'

export type Access = 'read' | 'write'

export interface Caller {
  /** The access key's id; for answers and logs. */
  readonly id: string
  /** Checks the signatures of the caller. */
  readonly secret: Secret
  /** `write` includes `read`. @param namespace the first name of a path */
  may(access: Access, namespace: string): boolean
}

export interface Callers {
  /** Undefined: nobody has this key. */
  withKey(accessKeyId: string): Caller | undefined
}

/** What callers may do who give a name. */
export interface Permissions {
  /**
   * `write` includes `read`.
   * @param user empty: no name was given
   * @param namespace the first name of a path, also where it is in the root mount
   */
  may(user: string, access: Access, namespace: string): boolean
}

export const everybodyMay: Permissions = { may: () => true }
