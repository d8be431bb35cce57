// Why: owner, group and permission bits have one meaning, one set of limits and one default, in
// commands, in requests and in answers. How: pure functions and checks (shape.ts). A name has no
// colon, because `chown OWNER:GROUP` and passwd(5) separate names with it.
import { type Check, whole } from '../shape.ts'

/** What users have set on a file or directory. Not given: not set. */
export interface Ownership {
  readonly owner?: string
  readonly group?: string
  /** Permission bits with set-user-ID, set-group-ID and sticky bit, 0 to 0o7777. */
  readonly mode?: number
}

export interface OwnershipChange extends Ownership {
  /** Only these bits of `mode` count; the others stay as they are. Not given: all. */
  readonly modeMask?: number
}

export type OwnedKind = 'file' | 'directory'

export const modeMax = 0o7777
const nameCharactersMax = 255
const defaultName = 'skein'
const defaultMode = { file: 0o666, directory: 0o777 }

/** The name of an owner or a group: 1 to 255 characters, no control character, no colon. */
export const ownerName: Check = (value) => {
  if (typeof value !== 'string') return ' is not a text'
  if (value.length === 0) return ' is empty'
  if (value.length > nameCharactersMax) return ` is longer than ${nameCharactersMax} characters`
  if (!value.isWellFormed()) return ' is not well-formed Unicode'
  return /[:\p{Cc}]/u.test(value) ? ' has a colon or a control character' : undefined
}

export const modeBits: Check = whole(0, modeMax)

/** Not given, or undefined: not set. */
interface GivenOwnership {
  readonly owner?: string | undefined
  readonly group?: string | undefined
  readonly mode?: number | undefined
}

/** Those of the fields that are given. */
export function ownershipOf(given: GivenOwnership): Ownership {
  const { owner, group, mode } = given
  return {
    ...(owner === undefined ? {} : { owner }),
    ...(group === undefined ? {} : { group }),
    ...(mode === undefined ? {} : { mode }),
  }
}

/** What is shown: the default where nothing is set. */
export function shownOwnership(kind: OwnedKind, { owner, group, mode }: GivenOwnership): Required<Ownership> {
  return { owner: owner ?? defaultName, group: group ?? defaultName, mode: mode ?? defaultMode[kind] }
}

/**
 * What is set after a change. A value that is shown already is not set: rows stay small.
 * @returns `set` itself when nothing changes
 */
export function changedOwnership(kind: OwnedKind, set: Ownership, change: OwnershipChange): Ownership {
  const shown = shownOwnership(kind, set)
  const { owner, group, mode, modeMask = modeMax } = change
  const wanted = mode === undefined ? shown.mode : (shown.mode & ~modeMask) | (mode & modeMask)
  const news = {
    ...(owner === undefined || owner === shown.owner ? {} : { owner }),
    ...(group === undefined || group === shown.group ? {} : { group }),
    ...(wanted === shown.mode ? {} : { mode: wanted }),
  }
  return Object.keys(news).length === 0 ? set : { ...ownershipOf(set), ...news }
}
