import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import type { FileStatus } from '../../../../src/client/file-system.ts'
import type { BlockLocation } from '../../../../src/client/status/amounts.ts'
import { WebHdfs } from './support/webhdfs.ts'

const denied = 'org.apache.hadoop.security.AccessControlException'
const fileNotFound = 'java.io.FileNotFoundException'
const illegalArgument = 'java.lang.IllegalArgumentException'
const unsupported = 'java.lang.UnsupportedOperationException'
const ioException = 'java.io.IOException'
const exists = 'org.apache.hadoop.fs.FileAlreadyExistsException'
const notDirectory = 'org.apache.hadoop.fs.ParentNotDirectoryException'

let door: WebHdfs
beforeEach(async () => {
  door = await WebHdfs.start()
  await door.write('/data/dir/a', 'hello', '&user.name=ann&permission=640')
})
afterEach(async () => {
  expect(door.memory.openHandles + door.memory.unfinished).toBe(0)
  await door.close()
})

describe('what is at a path', () => {
  it('has the fields of Hadoop', async () => {
    const { modifiedMs, fileId } = await door.memory.stat('/data/dir/a')
    const file = {
      ...{ accessTime: 0, blockSize: 1024 * 1024, childrenNum: 0, fileId, group: 'skein', length: 5 },
      ...{ modificationTime: modifiedMs, owner: 'ann', pathSuffix: '', permission: '640', replication: 1 },
      ...{ storagePolicy: 0, type: 'FILE' },
    }
    expect(await door.json('GET', '/data/dir/a?op=GETFILESTATUS')).toEqual({ FileStatus: file })
    expect(await door.json('GET', '/data/dir/a?op=GETFILELINKSTATUS')).toEqual({ FileStatus: file })
    expect(await door.json('GET', '/data/dir/a?op=LISTSTATUS')).toEqual({ FileStatuses: { FileStatus: [file] } })
    const directory = { type: 'DIRECTORY', length: 0, blockSize: 0, replication: 0, pathSuffix: '', permission: '777' }
    for (const path of ['/data/dir', '/data/dir/', '/data', '/', ''])
      expect(await door.json('GET', `${path}?op=GETFILESTATUS`)).toMatchObject({ FileStatus: directory })
  })

  it.each(['GETFILESTATUS', 'LISTSTATUS', 'LISTSTATUS_BATCH', 'GETACLSTATUS', 'GETXATTRS', 'LISTXATTRS'])(
    'is not found by %s',
    async (operation) => {
      const told = await door.refusal('GET', `/data/none?op=${operation}`)
      expect(told.slice(0, 2)).toEqual([404, fileNotFound])
      expect(told[2]).toMatch(/\/data\/none( does not exist)?$/)
    },
  )

  it('has a summary', async () => {
    await door.write('/data/dir/below/b', 'xyz')
    const none = { quota: -1, spaceQuota: -1, typeQuota: {} }
    const summary = { directoryCount: 2, fileCount: 2, length: 8, spaceConsumed: 8, ecPolicy: '', ...none }
    expect(await door.json('GET', '/data/dir?op=GETCONTENTSUMMARY')).toMatchObject({ ContentSummary: summary })
    expect(await door.json('GET', '/data/dir/a?op=GETCONTENTSUMMARY')).toMatchObject({
      ContentSummary: { directoryCount: 0, fileCount: 1, length: 5 },
    })
    expect(await door.json('GET', '/?op=GETCONTENTSUMMARY')).toMatchObject({ ContentSummary: { directoryCount: 6 } })
    expect(await door.json('GET', '/data/dir?op=GETQUOTAUSAGE')).toEqual({
      QuotaUsage: { fileAndDirectoryCount: 4, spaceConsumed: 8, ...none },
    })
    expect((await door.refusal('GET', '/data/none?op=GETCONTENTSUMMARY'))[1]).toBe(fileNotFound)
  })

  it('has no access list and no attributes', async () => {
    await door.memory.setAttributes('/data/dir', { mode: 0o1750 })
    const acl = { entries: [], group: 'skein', owner: 'skein', permission: '1750', stickyBit: true }
    expect(await door.json('GET', '/data/dir?op=GETACLSTATUS')).toEqual({ AclStatus: acl })
    expect(await door.json('GET', '/data/dir?op=GETXATTRS&encoding=hex')).toEqual({ XAttrs: [] })
    expect(await door.json('GET', '/data/dir?op=LISTXATTRS')).toEqual({ XAttrNames: '[]' })
    expect((await door.refusal('GET', '/data/dir?op=GETXATTRS&xattr.name=user.a'))[1]).toBe(ioException)
  })

  it('can be asked for access', async () => {
    expect(await door.ask('GET', '/data/dir?op=CHECKACCESS&fsaction=rwx')).toMatchObject({ status: 200, text: '' })
    expect((await door.refusal('GET', '/data/none?op=CHECKACCESS&fsaction=r--'))[1]).toBe(fileNotFound)
    expect((await door.refusal('GET', '/data/dir?op=CHECKACCESS&fsaction=abc'))[1]).toBe(illegalArgument)
    expect((await door.refusal('GET', '/data/dir?op=CHECKACCESS'))[1]).toBe(illegalArgument)
  })
})

describe('block locations', () => {
  const blockSizeBytes = 1024 * 1024
  const cached: BlockLocation[] = [{ offset: blockSizeBytes, length: blockSizeBytes, hosts: ['one', 'two'] }]
  const block = (offset: number, length: number, hosts: readonly string[]): object => ({
    ...{ cachedHosts: [], corrupt: false, offset, length, hosts, names: hosts.map((host) => `${host}:0`) },
    ...{ storageTypes: hosts.map(() => 'DISK'), topologyPaths: hosts.map((host) => `/default-rack/${host}`) },
  })

  beforeEach(async () => {
    await door.write('/data/large', Buffer.alloc(2 * blockSizeBytes + 5))
    await door.write('/data/empty', '')
    door.memory.blockLocations = () => Promise.resolve(cached)
  })

  it.each<[string, readonly [number, number, readonly string[]][]]>([
    [
      '',
      [
        [0, blockSizeBytes, []],
        [blockSizeBytes, blockSizeBytes, ['one', 'two']],
        [2 * blockSizeBytes, 5, []],
      ],
    ],
    ['&offset=1048577&length=1', [[blockSizeBytes, blockSizeBytes, ['one', 'two']]]],
    ['&offset=2097152&length=9223372036854775807', [[2 * blockSizeBytes, 5, []]]],
    ['&offset=2097157', []],
    ['&offset=9007199254740993', []],
    ['&length=0', []],
  ])('cover the range %s', async (query, expected) => {
    const list = expected.map((parts) => block(...parts))
    const target = `/data/large?op=GETFILEBLOCKLOCATIONS${query}`
    expect(await door.json('GET', target)).toEqual({ BlockLocations: { BlockLocation: list } })
  })

  it('are told to clients before Hadoop 3.4, too', async () => {
    const answer = (await door.json('GET', '/data/large?op=GET_BLOCK_LOCATIONS')) as {
      LocatedBlocks: { locatedBlocks: { locations: { hostName: string }[]; startOffset: number }[] }
    }
    const { locatedBlocks, ...rest } = answer.LocatedBlocks
    expect(locatedBlocks.map(({ startOffset }) => startOffset)).toEqual([0, blockSizeBytes, 2 * blockSizeBytes])
    expect(locatedBlocks[1]?.locations.map(({ hostName }) => hostName)).toEqual(['one', 'two'])
    expect(rest).toMatchObject({ fileLength: 2_097_157, isUnderConstruction: false, isLastBlockComplete: true })
    const { LocatedBlocks: none } = (await door.json('GET', '/data/empty?op=GET_BLOCK_LOCATIONS')) as typeof answer
    expect(none).toMatchObject({ locatedBlocks: [], lastLocatedBlock: null })
  })

  it('are those of files', async () => {
    for (const operation of ['GETFILEBLOCKLOCATIONS', 'GET_BLOCK_LOCATIONS'])
      for (const path of ['/data/dir', '/data/none'])
        expect((await door.refusal('GET', `${path}?op=${operation}`)).slice(0, 2)).toEqual([404, fileNotFound])
  })
})

describe('MKDIRS', () => {
  const make = (path: string, query = ''): Promise<unknown> => door.json('PUT', `${path}?op=MKDIRS${query}`)

  it('makes a directory with mode and owner, and says yes when it is there', async () => {
    expect(await make('/data/new/below', '&permission=700&user.name=ann')).toEqual({ boolean: true })
    const made: Partial<FileStatus> = { kind: 'directory', mode: 0o700, owner: 'ann', isExplicit: true }
    expect(await door.memory.stat('/data/new/below')).toMatchObject(made)
    expect(await make('/data/new/below', '&permission=777')).toEqual({ boolean: true })
    expect(await door.memory.stat('/data/new/below')).toMatchObject(made)
    expect(await make('/data/dir')).toEqual({ boolean: true })
    expect((await door.memory.stat('/data/dir')).isExplicit).toBe(true)
    expect(await make('/data')).toEqual({ boolean: true })
    expect(await make('/')).toEqual({ boolean: true })
  })

  it.each([
    ['/data/dir/a', 403, exists],
    ['/data/dir/a/b/c', 403, notDirectory],
    ['/nowhere', 403, denied],
    ['/nowhere/dir', 404, fileNotFound],
    ['/readonly/dir', 403, denied],
  ])('refuses %s', async (path, status, javaClass) => {
    expect((await door.refusal('PUT', `${path}?op=MKDIRS`)).slice(0, 2)).toEqual([status, javaClass])
  })
})

describe('RENAME', () => {
  const rename = (from: string, to: string): Promise<unknown> =>
    door.json('PUT', `${from}?op=RENAME&destination=${encodeURIComponent(to)}`)

  it.each([
    ['/data/dir/a', '/data/b', '/data/b'],
    ['/data/dir/a', '/data/dir/b', '/data/dir/b'],
    ['/data/dir/a', '/data/there', '/data/there/a'],
    ['/data/dir', '/data/there', '/data/there/dir/a'],
    ['/data/dir', '/data/new', '/data/new/a'],
    ['/data/dir', '/data/there/new/', '/data/there/new/a'],
  ])('moves %s to %s', async (from, to, moved) => {
    await door.json('PUT', '/data/there?op=MKDIRS')
    expect(await rename(from, to)).toEqual({ boolean: true })
    expect((await door.read(moved)).text).toBe('hello')
    expect((await door.refusal('GET', `${from}?op=GETFILESTATUS`))[0]).toBe(404)
  })

  it.each([
    ['a missing source', '/data/none', '/data/b'],
    ['a file as the target', '/data/dir/a', '/data/file'],
    ['the same name in the target', '/data/dir/a', '/data/full'],
    ['a missing parent', '/data/dir/a', '/data/none/b'],
    ['a file as the parent', '/data/dir/a', '/data/file/b'],
    ['a place below itself', '/data/dir', '/data/dir/below'],
    ['itself', '/data/dir', '/data/dir'],
    ['the root', '/', '/data/b'],
  ])('says no to %s', async (_, from, to) => {
    await door.write('/data/file', 'x')
    await door.write('/data/full/a', 'y')
    expect(await rename(from, to)).toEqual({ boolean: false })
    expect((await door.read('/data/dir/a')).text).toBe('hello')
    expect((await door.read('/data/full/a')).text).toBe('y')
  })

  it.each(['', '&renameoptions=OVERWRITE'])(
    'that is made again, because its answer was lost, is done: %j',
    async (more) => {
      if (more !== '') await door.write('/data/b', 'old')
      const move = door.memory.rename.bind(door.memory)
      door.memory.rename = async (...asked) => {
        await move(...asked)
        await move(...asked)
      }
      expect((await door.ask('PUT', `/data/dir/a?op=RENAME&destination=/data/b${more}`)).status).toBe(200)
      door.memory.rename = move
      expect((await door.read('/data/b')).text).toBe('hello')
    },
  )

  it('of a file to itself is done', async () => {
    expect(await rename('/data/dir/a', '/data/dir/a')).toEqual({ boolean: true })
  })

  it.each([
    ['/data/dir/a?op=RENAME', 400, illegalArgument],
    ['/data/dir/a?op=RENAME&destination=b', 400, 'org.apache.hadoop.fs.InvalidPathException'],
    ['/data/dir/a?op=RENAME&destination=/data/../b', 400, 'org.apache.hadoop.fs.InvalidPathException'],
    ['/data/dir/a?op=RENAME&destination=/data/.skein/b', 403, denied],
    ['/data/dir/a?op=RENAME&destination=/other/b', 403, ioException],
    ['/data?op=RENAME&destination=/data2', 403, ioException],
    ['/data/dir/a?op=RENAME&destination=/data/b&renameoptions=SOME', 400, illegalArgument],
  ])('refuses %s', async (target, status, javaClass) => {
    expect((await door.refusal('PUT', target)).slice(0, 2)).toEqual([status, javaClass])
    expect((await door.read('/data/dir/a')).text).toBe('hello')
  })

  describe('with options', () => {
    const move = (from: string, to: string, options: string): ReturnType<WebHdfs['ask']> =>
      door.ask('PUT', `${from}?op=RENAME&destination=${to}&renameoptions=${options}`)

    it('replaces a file, and an empty directory', async () => {
      await door.write('/data/b', 'old')
      expect(await move('/data/dir/a', '/data/b', 'OVERWRITE')).toMatchObject({ status: 200, text: '' })
      expect((await door.read('/data/b')).text).toBe('hello')
      await door.write('/data/from/c', 'c')
      await door.json('PUT', '/data/empty?op=MKDIRS')
      expect((await move('/data/from', '/data/empty', 'overwrite')).status).toBe(200)
      expect((await door.read('/data/empty/c')).text).toBe('c')
    })

    it('leaves an object that came beside the empty directory meanwhile', async () => {
      await door.write('/data/from/c', 'c')
      await door.json('PUT', '/data/empty?op=MKDIRS')
      const remove = door.memory.delete.bind(door.memory)
      door.memory.delete = async (path, options) => {
        const theirs = await door.memory.create('/data/empty', { asObject: true })
        await theirs.write(Buffer.from('theirs'))
        await theirs.close()
        return await remove(path, options)
      }
      await move('/data/from', '/data/empty', 'OVERWRITE')
      expect((await door.read('/data/empty')).text).toBe('theirs')
    })

    it.each([
      ['/data/none', '/data/b', 'NONE', 404, fileNotFound],
      ['/data/dir/a', '/data/file', 'NONE', 403, exists],
      ['/data/dir/a', '/data/dir/a', 'NONE', 403, exists],
      ['/data/dir/a', '/data/full', 'OVERWRITE', 403, ioException],
      ['/data/dir', '/data/full', 'OVERWRITE', 403, ioException],
      ['/data/dir', '/data/dir/b', 'NONE', 403, ioException],
      ['/data/dir/a', '/data/none/b', 'NONE', 404, fileNotFound],
      ['/data/dir/a', '/data/file/b', 'NONE', 403, notDirectory],
      ['/data/dir/a', '/other/x', 'OVERWRITE', 403, ioException],
      ['/data/dir/a', '/', 'NONE', 403, ioException],
    ])('refuses %s to %s with %s', async (from, to, options, status, javaClass) => {
      await door.write('/data/file', 'x')
      await door.write('/data/full/a', 'y')
      await door.write('/other/x', 'z')
      const target = `${from}?op=RENAME&destination=${to}&renameoptions=${options}`
      expect((await door.refusal('PUT', target)).slice(0, 2)).toEqual([status, javaClass])
      const left = await Promise.all(['/data/dir/a', '/data/file', '/data/full/a', '/other/x'].map((p) => door.read(p)))
      expect(left.map(({ text }) => text)).toEqual(['hello', 'x', 'y', 'z'])
    })
  })
})

describe('attributes', () => {
  it('can be set', async () => {
    expect(await door.ask('PUT', '/data/dir/a?op=SETPERMISSION&permission=600')).toMatchObject({
      status: 200,
      text: '',
    })
    expect((await door.ask('PUT', '/data/dir/a?op=SETOWNER&owner=bob&group=users')).status).toBe(200)
    expect(await door.json('PUT', '/data/dir/a?op=SETREPLICATION&replication=2')).toEqual({ boolean: true })
    expect(await door.json('GET', '/data/dir/a?op=GETFILESTATUS')).toMatchObject({
      FileStatus: { permission: '600', owner: 'bob', group: 'users', replication: 2 },
    })
    expect(await door.json('PUT', '/data/dir?op=SETREPLICATION&replication=2')).toEqual({ boolean: false })
    expect(await door.json('PUT', '/data/none?op=SETREPLICATION&replication=2')).toEqual({ boolean: false })
  })

  it.each([
    ['/data/dir/a?op=SETOWNER', 400, illegalArgument],
    ['/data/dir/a?op=SETOWNER&owner=a:b', 400, illegalArgument],
    ['/data/none?op=SETOWNER&owner=a', 404, fileNotFound],
    ['/data/none?op=SETPERMISSION&permission=600', 404, fileNotFound],
    ['/data/dir/a?op=SETPERMISSION&permission=9', 400, illegalArgument],
    ['/data/dir/a?op=SETREPLICATION&replication=0', 400, illegalArgument],
    ['/data/dir/a?op=SETREPLICATION&replication=40000', 400, illegalArgument],
  ])('refuses %s', async (target, status, javaClass) => {
    expect((await door.refusal('PUT', target)).slice(0, 2)).toEqual([status, javaClass])
  })
})

describe('SETTIMES', () => {
  interface StatusAnswer {
    readonly FileStatus: Readonly<Record<string, number>>
  }

  it('sets the times that are shown, and leaves those of -1', async () => {
    const times = async (path: string): Promise<unknown[]> => {
      const { FileStatus } = (await door.json('GET', `${path}?op=GETFILESTATUS`)) as StatusAnswer
      return [FileStatus['modificationTime'], FileStatus['accessTime']]
    }
    const set = (query: string): ReturnType<WebHdfs['ask']> => door.ask('PUT', `/data/dir/a?op=SETTIMES&${query}`)
    expect(await set('modificationtime=1000&accesstime=2000')).toMatchObject({ status: 200, text: '' })
    expect(await times('/data/dir/a')).toEqual([1000, 2000])
    expect((await set('modificationtime=-1&accesstime=3000')).status).toBe(200)
    expect((await set('')).status).toBe(200)
    expect(await times('/data/dir/a')).toEqual([1000, 3000])
    expect((await door.ask('PUT', '/data/dir?op=SETTIMES&modificationtime=5')).status).toBe(200)
    expect(await times('/data/dir')).toEqual([5, 0])
    expect(await door.refusal('PUT', '/data/none?op=SETTIMES&modificationtime=5')).toMatchObject([
      404,
      fileNotFound,
      'File does not exist: /data/none',
    ])
    for (const query of ['modificationtime=-2', 'accesstime=soon', 'accesstime=9000000000000000'])
      expect((await door.refusal('PUT', `/data/dir/a?op=SETTIMES&${query}`)).slice(0, 2)).toEqual([
        400,
        illegalArgument,
      ])
  })
})

describe('the server', () => {
  it('says what it is', async () => {
    expect(await door.json('GET', '/?op=GETHOMEDIRECTORY&user.name=ann')).toEqual({ Path: '/user/ann' })
    expect(await door.json('GET', '/data/a/b?op=GETTRASHROOT&user.name=ann')).toEqual({ Path: '/data/.Trash/ann' })
    expect(await door.json('GET', '/data?op=GETTRASHROOT')).toEqual({ Path: '/data/.Trash' })
    expect(await door.json('GET', '/?op=GETDELEGATIONTOKEN')).toEqual({ Token: null })
    expect(await door.json('GET', '/?op=GETSERVERDEFAULTS')).toMatchObject({
      FsServerDefaults: { blockSize: 1024 * 1024, replication: 1, trashInterval: 0, keyProviderUri: '' },
    })
    expect(await door.json('GET', '/?op=GETSTATUS')).toEqual({
      FsStatus: { capacity: 1_073_741_824, used: 5, remaining: 1_073_741_819 },
    })
  })

  it.each([
    ['POST', 'APPEND'],
    ['POST', 'TRUNCATE'],
    ['POST', 'CONCAT'],
    ['PUT', 'CREATESYMLINK'],
    ['PUT', 'CREATESNAPSHOT'],
    ['PUT', 'SETXATTR'],
    ['PUT', 'SETACL'],
    ['DELETE', 'DELETESNAPSHOT'],
    ['GET', 'GETFILECHECKSUM'],
    ['GET', 'GETECPOLICY'],
  ])('refuses %s %s as what it does not support', async (method, operation) => {
    expect(await door.refusal(method, `/data/dir/a?op=${operation}`)).toEqual([
      ...[400, unsupported, `${operation} is not supported`],
    ])
  })

  it('refuses what nobody knows', async () => {
    expect(await door.refusal('GET', '/data/dir/a?op=bogus')).toEqual(
      [...[400, illegalArgument, 'Invalid value for webhdfs parameter "op": ']].map((part, index) =>
        index === 2 ? `${part}No enum constant org.apache.hadoop.hdfs.web.resources.GetOpParam.Op.BOGUS` : part,
      ),
    )
    expect((await door.refusal('GET', '/data/dir/a?op=CREATE'))[1]).toBe(illegalArgument)
    expect((await door.refusal('GET', '/data/dir/a'))[1]).toBe(unsupported)
    expect((await door.refusal('PATCH', '/data/dir/a?op=OPEN'))[1]).toBe(unsupported)
    expect((await door.refusal('GET', `http://${door.address}/dfshealth.html`)).slice(0, 2)).toEqual([
      ...[404, fileNotFound],
    ])
  })

  it('asks who may do what, of the path and of the target', async () => {
    await door.close()
    const asked: unknown[] = []
    const { memory } = door
    door = await WebHdfs.start({
      fileSystem: memory,
      permissions: {
        may: (...question) => asked.push(question) > 0 && question[0] !== 'eve' && question[2] !== 'other',
      },
    })
    expect((await door.refusal('GET', '/data/dir/a?op=OPEN&user.name=eve')).slice(0, 2)).toEqual([403, denied])
    const moved = '/data/dir/a?op=RENAME&destination=/other/x&user.name=ann'
    expect((await door.refusal('PUT', moved)).slice(0, 2)).toEqual([403, denied])
    expect(asked).toEqual([
      ['eve', 'read', 'data'],
      ['ann', 'write', 'data'],
      ['ann', 'write', 'other'],
    ])
  })
})
