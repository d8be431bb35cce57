// Why: `/ns/dir/file` has one meaning for the command line, the master and the job master. How: a
// path is a namespace and an object key. Which namespace that is follows from the names that there
// are (placeOfPath), which only the master knows: a path whose first name is no namespace's is in
// the root mount. The key keeps the spelling of the store (case, `%`, `+`, blanks, empty segments),
// so every object has a path, except for keys with NUL, `.` or `..` segments, which are refused.
import { SkeinError } from './errors.ts'

export interface NamespacePath {
  /** Empty for the root mount, whose name is empty, and for `/` itself. */
  readonly namespace: string
  /**
   * The object key below the namespace's prefix. Empty for the namespace itself. May end in `/`.
   */
  readonly key: string
}

/** Maximum length of a key in UTF-8 bytes (the limit of S3; COS enforces its own, 850). */
export const keyBytesMax = 1024
/** See isHiddenKey. */
export const internalKeyPrefix = '.skein/'
const namespacePattern = /^[A-Za-z0-9][A-Za-z0-9._-]{0,62}$/

/**
 * Whether a key of a namespace is the doors': that of the directory `.skein/`, or below it. Such a
 * file is never written to the store, nor asked of it, and what is done to a directory above leaves
 * it out.
 */
export function isHiddenKey(key: string): boolean {
  return key.startsWith(internalKeyPrefix)
}

/** Why a key cannot be cached, or undefined when it can. */
export function keyProblem(key: string): string | undefined {
  if (!key.isWellFormed()) return 'the key is not well-formed Unicode'
  if (key.includes('\0')) return 'the key has a NUL character'
  if (Buffer.byteLength(key) > keyBytesMax) return `the key is longer than ${keyBytesMax} bytes`
  if (/(?:^|\/)\.{1,2}(?:\/|$)/.test(key)) return "the key has a '.' or '..' segment"
  return undefined
}

/** @throws SkeinError invalid_argument when the name is not a valid namespace name */
export function checkNamespaceName(name: string): void {
  if (!namespacePattern.test(name)) {
    throw new SkeinError(
      'invalid_argument',
      `'${name}' is not a namespace name: use up to 63 letters, ` +
        "digits, '.', '_' and '-', beginning with a letter or digit",
    )
  }
}

/**
 * The path of `/ns/key` and `gfs://host:port/ns/key` (the authority is ignored). Nothing is decoded
 * or normalised.
 * @throws SkeinError invalid_argument when the text is not an absolute path or has a refused
 *   segment
 */
export function pathOfText(text: string): string {
  const path = absolutePath(text)
  parts(path, namespacePattern.test(firstName(path)))
  return path
}

function absolutePath(text: string): string {
  const path = text.replace(/^(?:gfs|goosefs|skein):\/\/[^/]*(?=\/|$)/, '') || '/'
  if (!path.startsWith('/'))
    throw new SkeinError('invalid_argument', `'${text}' is not a path: write /namespace/dir/file`)
  return path
}

/**
 * Where a path is: in the namespace of its first name where there is one, else in the root mount
 * (whether there is one or not). This is the only rule for that.
 * @throws SkeinError invalid_argument, see pathOfText
 */
export function placeOfPath(text: string, isNamespace: (name: string) => boolean): NamespacePath {
  const path = absolutePath(text)
  return parts(path, isNamespace(firstName(path)))
}

/**
 * The place of a path in this namespace: the root mount when it is empty, else that of the path's
 * first name. @throws SkeinError invalid_argument, see pathOfText
 */
export function placeWithin(namespace: string, text: string): NamespacePath {
  return placeOfPath(text, (name) => name === namespace && name !== '')
}

/** How a namespace is named to the master and to people: the root mount has an empty name. */
export function namedNamespace(name: string): string {
  return name === '' ? '/' : name
}

/**
 * The first name of a path, empty for `/`: a namespace's, or that of something in the root mount.
 * @throws SkeinError invalid_argument, see pathOfText
 */
export function firstNameOf(text: string): string {
  return firstName(pathOfText(text))
}

/**
 * The name of the namespace that must be there for a path when there is no root mount. @throws
 * SkeinError invalid_argument when it can be none's
 */
export function namespaceNeeded(path: string): string {
  const name = firstName(path)
  if (name === '') throw new SkeinError('invalid_argument', `'${path}' has an empty namespace name`)
  checkNamespaceName(name)
  return name
}

function firstName(path: string): string {
  const slash = path.indexOf('/', 1)
  return slash < 0 ? path.slice(1) : path.slice(1, slash)
}

function parts(path: string, isNamespace: boolean): NamespacePath {
  const namespace = isNamespace ? firstName(path) : ''
  const key = isNamespace ? path.slice(namespace.length + 2) : path.slice(1)
  const problem = keyProblem(key)
  if (problem !== undefined) throw new SkeinError('invalid_argument', `'${path}' is refused: ${problem}`)
  return { namespace, key }
}

/** The text of a place: what placeOfPath was given. */
export function formatPath({ namespace, key }: NamespacePath): string {
  if (namespace === '') return `/${key}`
  return key === '' ? `/${namespace}` : `/${namespace}/${key}`
}

/**
 * Whether both paths may have files in common. Each is formatted by `formatPath` or as a directory.
 */
export function pathsOverlap(one: string, other: string): boolean {
  const [a, b] = [withSlash(one), withSlash(other)]
  return a.startsWith(b) || b.startsWith(a)
}

function withSlash(path: string): string {
  return path.endsWith('/') ? path : `${path}/`
}

/**
 * The names of a key's inodes, from the namespace's root down. The name of a directory ends in `/`,
 * so that the object `a` and the directory `a/` can coexist, and the concatenated names are the
 * key. `a//b` -> `a/`, `/`, `b`.
 */
function keyPieces(key: string): string[] {
  return key.match(/[^/]*\/|[^/]+$/g) ?? []
}

/**
 * The inode names of a directory's key. The key is empty or ends in `/`, which is added if missing.
 */
export function directoryNames(key: string): string[] {
  return keyPieces(key === '' || key.endsWith('/') ? key : `${key}/`)
}

/**
 * The inode names of a file's key. An object `a/` with content is the file with the empty name in
 * the directory `a/`.
 */
export function fileNames(key: string): string[] {
  return key.endsWith('/') ? [...keyPieces(key), ''] : keyPieces(key)
}
