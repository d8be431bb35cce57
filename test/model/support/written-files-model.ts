// Why: what files are after any sequence of writes, overwrites, moves, removals, writes to the
// store and writes of others there, as a model that is too simple to be wrong: two maps. How: each
// step changes the maps; a race of two steps may end as either order of them does.
import * as fc from 'fast-check'

export interface ModelFile {
  readonly fileId: number
  /** Bytes; no two versions have the same number. */
  readonly length: number
  /** Of its object, once the store has it. */
  readonly etag: string | undefined
  /** Of the object whose place it is to take. */
  readonly replaces: string | undefined
}

export interface ModelObject {
  readonly etag: string
  readonly length: number
}

export interface Pending {
  readonly fileId: number
  readonly key: string
  readonly length: number
  readonly overwrite: boolean
  /** As for a file, where the one that it overwrites could not get to the store; empty: nothing. */
  readonly replaces: string | undefined
}

export interface Model {
  readonly files: Map<string, ModelFile>
  readonly objects: Map<string, ModelObject>
  /** Writes to the store whose outcome is not known, by key: of which file. */
  readonly cutOff: Map<string, number>
  /** Files that found the object of another client at the store. */
  readonly refused: Set<number>
}

export type Change =
  | { readonly type: 'end'; readonly pending: Pending }
  | { readonly type: 'persist'; readonly key: string; readonly lost?: 'before' | 'after' | undefined }
  | { readonly type: 'move'; readonly from: string; readonly to: string; readonly overwrite: boolean }
  | { readonly type: 'remove'; readonly key: string }
  | { readonly type: 'put'; readonly key: string; readonly length: number }
  | { readonly type: 'take'; readonly key: string }

export const emptyModel = (): Model => ({
  files: new Map(),
  objects: new Map(),
  cutOff: new Map(),
  refused: new Set(),
})

export const copyOf = ({ files, objects, cutOff, refused }: Model): Model => ({
  files: new Map(files),
  objects: new Map(objects),
  cutOff: new Map(cutOff),
  refused: new Set(refused),
})

export const etagOf = (fileId: number): string => `w-${fileId}`

/** @returns whether it succeeds */
export function change(model: Model, asked: Change): boolean {
  const { files, objects } = model
  switch (asked.type) {
    case 'end':
      return end(model, asked.pending)
    case 'persist':
      return persist(model, asked.key, asked.lost)
    case 'move': {
      if (asked.overwrite && replaces(model, asked)) return moveOver(model, asked)
      const file = files.get(asked.from)
      if (file === undefined || files.has(asked.to) || objects.has(asked.to)) return false
      settle(model, asked.from)
      const now = files.get(asked.from) ?? file
      model.refused.delete(now.fileId)
      const object = objects.get(asked.from)
      files.delete(asked.from)
      files.set(asked.to, now)
      if (object !== undefined && object.etag === (now.etag ?? now.replaces)) {
        objects.delete(asked.from)
        if (now.etag !== undefined) objects.set(asked.to, object)
      }
      return learn(model)
    }
    case 'remove': {
      if (!files.has(asked.key)) return false
      settle(model, asked.key)
      const file = files.get(asked.key)
      files.delete(asked.key)
      if (file?.etag !== undefined || objects.get(asked.key)?.etag === file?.replaces) objects.delete(asked.key)
      return learn(model)
    }
    case 'put':
      objects.set(asked.key, { etag: `x-${asked.length}`, length: asked.length })
      return true
    case 'take':
      return objects.delete(asked.key)
  }
}

/** Whether a move finds a file at its target, known here or at the store. */
function replaces(model: Model, { from, to }: { readonly from: string; readonly to: string }): boolean {
  const object = model.objects.get(to)
  if (!model.files.has(from)) return false
  if (!model.files.has(to) && object !== undefined) model.files.set(to, knownFile(object))
  return model.files.has(to)
}

function moveOver(model: Model, { from, to }: { readonly from: string; readonly to: string }): boolean {
  const { files, objects, refused } = model
  if (from === to) return true
  settle(model, from)
  settle(model, to)
  const [file, old] = [files.get(from), files.get(to)]
  if (file === undefined || old === undefined) return false
  const replaced = old.etag ?? replacedNow(model, to) ?? old.replaces ?? ''
  const [moved, there] = [objects.get(from), objects.get(to)]
  if (file.etag !== undefined && there !== undefined && there.etag !== replaced) {
    if (old.etag === undefined) refused.add(old.fileId)
    return false
  }
  if (file.etag !== undefined && moved !== undefined) objects.set(to, moved)
  if (moved?.etag === (file.etag ?? file.replaces)) objects.delete(from)
  files.delete(from)
  refused.delete(file.fileId)
  files.set(to, file.etag === undefined ? { ...file, replaces: replaced === '' ? undefined : replaced } : file)
  return learn(model)
}

/** What is replaced together with a file that could not get to the store; empty: nothing. */
export function replacedNow({ files, objects, refused }: Model, at: string): string | undefined {
  const old = files.get(at)
  if (old === undefined || old.etag !== undefined || !refused.has(old.fileId)) return undefined
  return objects.get(at)?.etag ?? ''
}

function end(model: Model, { key: at, fileId, length, overwrite: mayReplace, replaces: known }: Pending): boolean {
  if (!mayReplace && model.files.has(at)) return false
  if (mayReplace) settle(model, at)
  const old = model.files.get(at)
  const replaced = old?.etag ?? known ?? old?.replaces ?? ''
  model.files.set(at, { fileId, length, etag: undefined, replaces: replaced === '' ? undefined : replaced })
  return true
}

function persist(
  { files, objects, cutOff, refused }: Model,
  key: string,
  lost: 'before' | 'after' | undefined,
): boolean {
  const file = files.get(key)
  if (file === undefined) return false
  if (file.etag !== undefined) return true
  const there = objects.get(key)?.etag
  const etag = etagOf(file.fileId)
  cutOff.delete(key)
  if (there !== undefined && there !== file.replaces && there !== etag) {
    refused.add(file.fileId)
    return false
  }
  // What has arrived before is found, and nothing is written.
  if (lost !== undefined && there !== etag) {
    cutOff.set(key, file.fileId)
    if (lost === 'after') objects.set(key, { etag, length: file.length })
    return false
  }
  objects.set(key, { etag, length: file.length })
  files.set(key, { ...file, etag, replaces: undefined })
  return true
}

/** What came of a write that was cut off is found out. */
function settle({ files, objects, cutOff }: Model, key: string): void {
  const fileId = cutOff.get(key)
  cutOff.delete(key)
  const file = files.get(key)
  const etag = etagOf(fileId ?? 0)
  if (file === undefined || file.fileId !== fileId || file.etag !== undefined) return
  if (objects.get(key)?.etag === etag) files.set(key, { ...file, etag, replaces: undefined })
}

/** What others have at the store, where the cache has no file. */
function learn({ files, objects }: Model): true {
  for (const [key, object] of objects) if (!files.has(key)) files.set(key, knownFile(object))
  return true
}

function knownFile({ etag, length }: ModelObject): ModelFile {
  return { fileId: 0, length, etag, replaces: undefined }
}

export type Step =
  | { readonly type: 'begin' | 'write'; readonly key: string; readonly overwrite: boolean }
  | { readonly type: 'end'; readonly which: number }
  | { readonly type: 'abandon'; readonly which: number }
  | { readonly type: 'race'; readonly which: number; readonly key: string; readonly with: 'end' | 'persist' | 'remove' }
  | { readonly type: 'persist'; readonly key: string; readonly lost?: 'before' | 'after' | undefined }
  | { readonly type: 'move'; readonly from: string; readonly to: string; readonly overwrite: boolean }
  | { readonly type: 'remove'; readonly key: string }
  | { readonly type: 'put' | 'take'; readonly key: string }
  | { readonly type: 'look' | 'restart' }

export const keys = ['d/a', 'd/b', 'd/c']
const key = fc.constantFrom(...keys)
const which = fc.nat(5)
const overwrite = fc.constantFrom(true, true, false)
const begin = fc.record({ type: fc.constant('begin' as const), key, overwrite })
const write = fc.record({ type: fc.constant('write' as const), key, overwrite })
const persisting = fc.record({ type: fc.constant('persist' as const), key })
const ending = fc.record({ type: fc.constant('end' as const), which })

export const writtenFileSteps: fc.Arbitrary<Step[]> = fc.array(
  fc.oneof(
    ...[write, write, write, begin, begin, ending, ending, persisting, persisting],
    fc.record({ type: fc.constant('abandon' as const), which }),
    fc.record({ type: fc.constant('race' as const), which, key, with: fc.constantFrom('end', 'persist', 'remove') }),
    fc.record({ type: fc.constant('persist' as const), key, lost: fc.constantFrom('before', 'after') }),
    fc.record({ type: fc.constant('move' as const), from: key, to: key, overwrite }),
    fc.record({ type: fc.constant('move' as const), from: key, to: key, overwrite }),
    fc.record({ type: fc.constantFrom('remove', 'put', 'put', 'take'), key }),
    fc.record({ type: fc.constantFrom('look', 'restart') }),
  ),
  { minLength: 6, maxLength: 30, size: 'max' },
)
