// Why: ten million objects to list, without a store that holds them. How: trees of a thousand
// objects a directory whose keys follow from their numbers, so that any page of any listing is made
// from its position alone.
import { SkeinError } from '../../src/base/errors.ts'
import type { ListPage, ListRequest, ObjectInfo, UnderFileSystem } from '../../src/ufs/under-file-system.ts'

export const objectsPerDirectory = 1000
export const objectBytes = 16 * 1024

/** Directory `index` of a tree. */
export function directoryKey(tree: string, index: number): string {
  return `${tree}/part-${String(index).padStart(6, '0')}/`
}

/** Object `index` of a tree. */
export function objectKey(tree: string, index: number): string {
  return `${directoryKey(tree, Math.floor(index / objectsPerDirectory))}object-${String(index).padStart(8, '0')}.jpg`
}

/** Any text that looks like an ETag, always the same for the same object. */
function etagOf(index: number): string {
  let word = (index + 1) | 0
  let text = ''
  for (let part = 0; part < 4; part += 1) {
    word = Math.imul(word ^ (word >>> 15), 0x2c1b3c6d)
    text += (word >>> 0).toString(16).padStart(8, '0')
  }
  return text
}

function objectOf(tree: string, index: number): ObjectInfo {
  const modifiedMs = 1_700_000_000_000 + index
  return { key: objectKey(tree, index), length: objectBytes, etag: etagOf(index), modifiedMs, storageClass: 'STANDARD' }
}

const notBuilt = (): never => {
  throw new SkeinError('unimplemented', 'a synthetic listing has no bytes')
}

export class SyntheticListing implements UnderFileSystem {
  /** Tree -> how many objects it has. */
  readonly trees: Map<string, number>
  readonly counters = { readBytes: 0, readRequests: 0 }

  constructor(trees: Iterable<readonly [string, number]>) {
    this.trees = new Map(trees)
  }

  async check(): Promise<void> {}
  async close(): Promise<void> {}

  async stat(key: string): Promise<ObjectInfo> {
    const [tree = '', , name = ''] = key.split('/')
    const index = Number(name.slice('object-'.length, -'.jpg'.length))
    if (!(index < (this.trees.get(tree) ?? 0)) || objectKey(tree, index) !== key)
      throw new SkeinError('not_found', `no object ${key}`)
    return objectOf(tree, index)
  }

  /** Of one tree (`tree/`) or one of its directories; a directory has no directories below it. */
  async list({ prefix, after, limit }: ListRequest): Promise<ListPage> {
    const [tree = '', part = ''] = prefix.split('/')
    const total = this.trees.get(tree) ?? 0
    const begin = part === '' ? 0 : Number(part.slice('part-'.length)) * objectsPerDirectory
    const end = part === '' ? total : Math.min(total, begin + objectsPerDirectory)
    const from = after === undefined ? begin : Number(after.key.slice(-12, -4)) + 1
    const objects: ObjectInfo[] = []
    for (let index = from; index < end && objects.length < limit; index += 1) objects.push(objectOf(tree, index))
    const last = objects.at(-1)
    return {
      objects,
      prefixes: [],
      next: from + limit < end && last !== undefined ? { key: last.key, token: undefined } : undefined,
    }
  }

  // eslint-disable-next-line require-yield
  async *read(): AsyncGenerator<Uint8Array> {
    notBuilt()
  }
  readWhole = async (): Promise<Uint8Array> => notBuilt()
  write = async (): Promise<ObjectInfo> => notBuilt()
  beginUpload = async (): Promise<never> => notBuilt()
  delete = async (): Promise<void> => notBuilt()
  copy = async (): Promise<ObjectInfo> => notBuilt()
  rename = async (): Promise<ObjectInfo> => notBuilt()
  renameOver = async (): Promise<ObjectInfo> => notBuilt()
}
