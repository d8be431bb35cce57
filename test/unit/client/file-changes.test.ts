// The half of a file system that changes things: what each change asks of the master.
import { beforeEach, describe, expect, it } from 'vitest'
import { SkeinError } from '../../../src/base/errors.ts'
import { fileStatusOf } from '../../../src/client/status/file-status.ts'
import { MasterFileChanges } from '../../../src/client/write/file-changes.ts'
import type { NewFile } from '../../../src/client/write/file-writer.ts'
import type { FileInfo } from '../../../src/wire/generated/master.ts'

const info = { path: '/ns/a', name: 'a', fileId: 7, length: 3, persistenceState: 'NOT_PERSISTED' } as FileInfo

describe('changes of files', () => {
  let asked: unknown[]
  let created: NewFile[]
  let closed: unknown[]
  let persisted: boolean
  let after: FileInfo | SkeinError
  let changes: MasterFileChanges

  const note =
    (method: string, answer: object = {}) =>
    async ({ ...request }: object): Promise<never> => {
      asked.push([method, request])
      return answer as never
    }

  beforeEach(() => {
    asked = []
    created = []
    closed = []
    persisted = false
    after = { ...info, etag: 'e', persistenceState: 'PERSISTED' }
    changes = new MasterFileChanges({
      master: {
        getStatus: async () => {
          if (after instanceof SkeinError) throw after
          return after
        },
      },
      lifecycle: {
        makeDirectory: note('makeDirectory'),
        rename: note('rename'),
        delete: note('delete'),
        setPinned: note('setPinned'),
        setTtl: note('setTtl'),
        setPathReplication: note('setPathReplication'),
        setPathOwnership: note('setPathOwnership'),
        setPathTimes: note('setPathTimes'),
        setClientMetadata: note('setClientMetadata'),
      },
      writer: {
        create: async (_path, newFile) => {
          created.push(newFile)
          const close = async (metadata: unknown) => {
            closed.push(metadata)
            return { fileId: 7, length: 3, writePolicy: '', persisted, info }
          }
          return { close, write: async () => undefined, abort: async () => undefined } as never
        },
      },
      statusOf: fileStatusOf,
    })
  })

  it('creates a file as it is asked to', async () => {
    const set = { owner: 'alice', mode: 0o600, contentType: 'text/plain', userMetadata: { a: 'b' } }
    const clientMetadata = { etag: 'x' }
    const options = {
      ...set,
      clientMetadata,
      ttl: { ms: 5, action: 'DELETE' as const },
      length: 3,
      blockSizeBytes: 4096,
    }
    await changes.create('/ns/a', options)
    await changes.create('/ns/a', { ifExists: 'overwrite', ifFileId: 9 })
    expect(created).toEqual([
      { ...options, overwrite: false },
      { overwrite: true, ifFileId: 9 },
    ])
    await expect(changes.create('/ns/a', { ifFileId: 9 })).rejects.toMatchObject({ code: 'invalid_argument' })
  })

  it('returns the status when the file became visible, or what the store made of it', async () => {
    const first = await changes.create('/ns/a')
    expect(await first.close({ contentType: 'text/html' })).toMatchObject({ fileId: 7, persistence: 'not_persisted' })
    expect(closed).toEqual([{ contentType: 'text/html' }])
    persisted = true
    expect(await (await changes.create('/ns/a')).close()).toMatchObject({ etag: 'e', persistence: 'persisted' })
    after = new SkeinError('not_found', 'removed since')
    expect(await (await changes.create('/ns/a')).close()).toMatchObject({ fileId: 7 })
    after = new SkeinError('unavailable', 'down')
    await expect((await changes.create('/ns/a')).close()).rejects.toMatchObject({ code: 'unavailable' })
  })

  it('makes, moves and deletes', async () => {
    await changes.makeDirectory('/ns/d')
    await changes.rename('/ns/a', '/ns/b')
    await changes.rename('/ns/a', '/ns/b', { ifExists: 'overwrite' })
    await changes.delete('/ns/d', { recursive: true })
    await changes.delete('/ns/e', { keepEntries: true })
    const both = changes.delete('/ns/e', { recursive: true, keepEntries: true })
    await expect(both).rejects.toMatchObject({ code: 'invalid_argument' })
    expect(asked).toMatchObject([
      ['makeDirectory', { path: '/ns/d' }],
      ['rename', { from: '/ns/a', to: '/ns/b' }],
      ['rename', { from: '/ns/a', to: '/ns/b', overwrite: true }],
      ['delete', { path: '/ns/d', recursive: true, cacheOnly: false }],
      ['delete', { path: '/ns/e', recursive: false, cacheOnly: false, keepEntries: true }],
    ])
  })

  it('sets only what is given', async () => {
    await changes.setAttributes('/ns/a', {})
    expect(asked).toEqual([])
    await changes.setAttributes('/ns/a', { pinned: false, ttl: 'none', replicationMax: 'none', recursive: true })
    await changes.setAttributes('/ns/a', { ttl: { ms: 5, action: 'DELETE' }, replicationMin: 2, group: 'staff' })
    await changes.setAttributes('/ns/a', { clientMetadata: { tags: 'a=b' } })
    await changes.setAttributes('/ns/a', { times: { accessed: { ms: 1, ns: 2 } } })
    await changes.setAttributes('/ns/a', { times: {} })
    expect(asked).toEqual([
      ['setPinned', { path: '/ns/a', pinned: false }],
      ['setTtl', { path: '/ns/a', ttlMs: -1, action: 'FREE' }],
      ['setPathReplication', { path: '/ns/a', recursive: true, max: -1 }],
      ['setTtl', { path: '/ns/a', ttlMs: 5, action: 'DELETE' }],
      ['setPathReplication', { path: '/ns/a', recursive: false, min: 2 }],
      ['setPathOwnership', { path: '/ns/a', recursive: false, group: 'staff' }],
      ['setClientMetadata', { path: '/ns/a', clientMetadata: { values: { tags: 'a=b' } } }],
      ['setPathTimes', { path: '/ns/a', times: { accessed: { ms: 1, ns: 2 } } }],
    ])
  })
})
