// Why: the store of a namespace is written as one URI. It is parsed here, once, into a frozen
// value. How: `cosn://bucket-appid/prefix`, `s3://bucket/prefix`, `file:///dir`. Nothing is
// decoded: the prefix is spelled like the keys.
import { SkeinError } from '../base/errors.ts'
import { keyProblem } from '../base/paths.ts'

export type StoreUri =
  | {
      readonly kind: 'cosn' | 's3'
      readonly bucket: string
      /** Empty, or ending in `/`: the prefix of every key of the namespace. */
      readonly prefix: string
    }
  | { readonly kind: 'file'; readonly directory: string }

const uriPattern = /^([a-z][a-z0-9+.-]*):\/\/([^/]*)(?:\/(.*))?$/s
const bucketPattern = /^[A-Za-z0-9][A-Za-z0-9._-]{1,254}$/

/**
 * @throws SkeinError invalid_argument when the text is not the URI of a store that Skein supports
 */
export function parseStoreUri(text: string): StoreUri {
  const match = uriPattern.exec(text)
  if (match === null || /\p{Cc}/u.test(text))
    throw refused(text, 'write cosn://bucket-appid/prefix, s3://bucket/prefix or file:///directory')
  const [, scheme = '', authority = '', path = ''] = match
  const problem = keyProblem(path)
  if (problem !== undefined) throw refused(text, problem.replace('the key', 'the path'))
  if (scheme === 'file') {
    // A file system reads `//` as `/`, so the compared path must be the opened path. Nothing is
    // decoded: `%2e` is three characters.
    const directory = `/${path}`.replaceAll(/\/{2,}/g, '/').replace(/\/$/, '')
    if (authority !== '' || directory === '')
      throw refused(text, 'write file:///directory with an absolute directory below /')
    return Object.freeze({ kind: 'file', directory })
  }
  if (scheme !== 'cosn' && scheme !== 's3') throw refused(text, `'${scheme}' is not one of cosn, s3, file`)
  if (!bucketPattern.test(authority)) throw refused(text, `'${authority}' is not a bucket name`)
  return Object.freeze({
    kind: scheme,
    bucket: authority,
    prefix: path === '' || path.endsWith('/') ? path : `${path}/`,
  })
}

function refused(text: string, why: string): SkeinError {
  return new SkeinError('invalid_argument', `${JSON.stringify(text.slice(0, 200))} is not a store: ${why}`)
}
