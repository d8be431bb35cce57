// Why: a store that lists an object under a name that is not its own (keys that are encoded twice,
// or encoded without a word of it) answers 404 for that name, as it does for what was removed
// meanwhile; taken for removed, the object would be missing in silence. How: what was listed and is
// not there is asked of the listing again: by its own name, and by the names of which a listing
// makes this one. A listing that still shows the name, or that answers a name with another, is
// wrong, and says so here.
import { isSkeinError, SkeinError } from '../../base/errors.ts'
import { notUnderstoodReason } from '../../ufs/trust/answer-error.ts'
import type { ObjectInfo, UnderFileSystem } from '../../ufs/under-file-system.ts'

const listingMisnamesReason = 'listing_misnames'
const entities: Readonly<Record<string, string>> = { amp: '&', lt: '<', gt: '>', quot: '"', apos: "'" }

/**
 * What the store has of a key that it lists, and that was just not there. @param path for people
 * @returns undefined: the object is gone @throws SkeinError failed_precondition `listing_misnames`,
 *   and what the store says
 */
export async function listedObject(
  store: Pick<UnderFileSystem, 'list' | 'stat'>,
  key: string,
  path: string,
  signal: AbortSignal,
): Promise<ObjectInfo | undefined> {
  for (const name of [key, ...otherNames(key)]) {
    const first = await firstBelow(store, name, signal)
    if (first === 'none') continue
    if (first === 'refused') throw misnamed(path, `asked for ${JSON.stringify(name)} it lists another name`)
    if (name !== key || first.key !== key) continue
    const object = await objectOf(store, key, signal)
    if (object === undefined) throw misnamed(path, 'asked again it lists it still')
    return object
  }
  return undefined
}

/**
 * Names of which a listing may make `key`: it encodes once more, or decodes what it never encoded.
 */
export function otherNames(key: string): readonly string[] {
  const names = [
    decoded(key),
    decoded(key.replaceAll('+', ' ')),
    key.replaceAll(' ', '+'),
    encoded(key),
    unescaped(key),
  ]
  return [...new Set([...names, key.normalize('NFC'), key.normalize('NFD')])].filter(
    (name) => name !== key && name !== '',
  )
}

/** The first object with this prefix; refused: the listing gives an answer that is none to that. */
async function firstBelow(
  store: Pick<UnderFileSystem, 'list'>,
  prefix: string,
  signal: AbortSignal,
): Promise<ObjectInfo | 'none' | 'refused'> {
  try {
    const page = await store.list({ prefix, delimiter: undefined, after: undefined, limit: 1 }, signal)
    return page.objects[0] ?? 'none'
  } catch (thrown) {
    if (isSkeinError(thrown, 'failed_precondition', notUnderstoodReason)) return 'refused'
    // Who may not list was shown nothing.
    if (isSkeinError(thrown, 'permission_denied')) return 'none'
    throw thrown
  }
}

async function objectOf(
  store: Pick<UnderFileSystem, 'stat'>,
  key: string,
  signal: AbortSignal,
): Promise<ObjectInfo | undefined> {
  try {
    return await store.stat(key, signal)
  } catch (thrown) {
    if (isSkeinError(thrown, 'not_found') && thrown.reason === undefined) return undefined
    throw thrown
  }
}

function misnamed(path: string, proof: string): SkeinError {
  const message =
    'the listing names an object that the store does not have under that name: ' +
    `${path} is listed and answers 404 (${proof}); see which name the store has, or how it encodes keys`
  return new SkeinError('failed_precondition', message, { reason: listingMisnamesReason })
}

function decoded(text: string): string {
  try {
    return decodeURIComponent(text)
  } catch {
    return text
  }
}

function encoded(text: string): string {
  return text.isWellFormed() ? text.split('/').map(encodeURIComponent).join('/') : text
}

function unescaped(text: string): string {
  return text.replace(/&(amp|lt|gt|quot|apos);/g, (whole, name: string) => entities[name] ?? whole)
}
