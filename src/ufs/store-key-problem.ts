// Why: a file is accepted before its store is asked, and must be able to get there. How: what each
// kind of store can have as a key. Pure. Sources: "Object naming guidelines" of Amazon S3 (1024
// bytes) and of Tencent COS (850 bytes), both with the prefix.
import { localKeyProblem } from './local/local-key.ts'
import { parseStoreUri } from './store-uri.ts'

const keyBytesMax = { s3: 1024, cosn: 850 } as const

/** Why the store at the URI cannot have a file of this key; undefined: it can. */
export function storeKeyProblem(uri: string, key: string): string | undefined {
  const store = parseStoreUri(uri)
  if (store.kind === 'file') return localKeyProblem(key)
  const max = keyBytesMax[store.kind]
  return Buffer.byteLength(store.prefix + key) > max
    ? `with the prefix of the namespace it is longer than ${max} bytes`
    : undefined
}
