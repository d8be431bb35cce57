import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { WebHdfs } from './support/webhdfs.ts'

const fileNotFound = 'java.io.FileNotFoundException'
const illegalArgument = 'java.lang.IllegalArgumentException'
const ioException = 'java.io.IOException'

let door: WebHdfs
beforeEach(async () => {
  door = await WebHdfs.start()
})
afterEach(async () => {
  expect(door.memory.openHandles + door.memory.unfinished).toBe(0)
  await door.close()
})

describe('OPEN', () => {
  beforeEach(async () => {
    await door.write('/data/a', 'hello, world')
    await door.write('/data/empty', '')
    await door.write('/data/dir/b', 'b')
  })

  it('tells where the bytes are, with a query, and gives them there', async () => {
    const { status, headers, text } = await door.ask('GET', '/data/a?op=OPEN&user.name=me&buffersize=4096')
    expect([status, text]).toEqual([307, ''])
    expect(headers['content-type']).toBe('application/octet-stream')
    expect(headers.location).toBe(
      `http://${door.address}/webhdfs/v1/data/a?op=OPEN&user.name=me&buffersize=4096&data=true`,
    )
    const bytes = await door.ask('GET', headers.location ?? '')
    expect([bytes.status, bytes.text]).toEqual([200, 'hello, world'])
    expect(bytes.headers).toMatchObject({ 'content-type': 'application/octet-stream', 'content-length': '12' })
  })

  it('gives the host that the client knows', async () => {
    const { headers } = await door.ask('GET', '/data/a?op=OPEN', { headers: { host: 'localhost:9999' } })
    expect(headers.location).toContain('http://localhost:9999/webhdfs/v1/data/a?')
  })

  it('tells it in a document when asked', async () => {
    const { Location } = (await door.json('GET', '/data/a?op=open&noredirect=true')) as { Location: string }
    expect((await door.ask('GET', Location)).text).toBe('hello, world')
  })

  it.each([
    ['', 'hello, world'],
    ['&offset=7', 'world'],
    ['&offset=7&length=3', 'wor'],
    ['&offset=0&length=0', ''],
    ['&length=99999999999999999', 'hello, world'],
    ['&OFFSET=7&LENGTH=null', 'world'],
  ])('of a range: %s', async (query, expected) => {
    const answer = await door.read('/data/a', query)
    expect([answer.status, answer.text]).toEqual([200, expected])
  })

  it('gives nothing at the end of the data, and of an empty file', async () => {
    expect(await door.ask('GET', '/data/a?op=OPEN&data=true&offset=12')).toMatchObject({ status: 200, text: '' })
    expect(await door.read('/data/empty')).toMatchObject({ status: 200, text: '' })
  })

  it.each([
    ['/data/missing?op=OPEN', [404, fileNotFound, '/data/missing does not exist']],
    ['/nowhere/a?op=OPEN', [404, fileNotFound, "namespace 'nowhere' does not exist"]],
    ['/data/dir?op=OPEN', [404, fileNotFound, 'Path is not a file: /data/dir']],
    ['/data?op=OPEN', [404, fileNotFound, 'Path is not a file: /data']],
    ['/?op=OPEN', [404, fileNotFound, 'Path is not a file: /']],
    ['/data/a?op=OPEN&offset=12', [403, ioException, 'Offset=12 out of the range [0, 12); OPEN, path=/data/a']],
    ['/data/a?op=OPEN&data=true&offset=13', [403, ioException, 'Offset=13 out of the range [0, 12); OPEN']],
    ['/data/a?op=OPEN&offset=-1', [400, illegalArgument, 'Invalid value for webhdfs parameter "offset": Invalid']],
    ['/data/a?op=OPEN&offset=9223372036854775808', [400, illegalArgument, 'as a radix-10 long integer']],
    ['/data/a?op=OPEN&length=x', [400, illegalArgument, 'Failed to parse "x" as a radix-10 long integer.']],
    ['/data/a?op=OPEN&noredirect=maybe', [400, illegalArgument, 'Failed to parse "maybe" to Boolean.']],
  ])('refuses %s', async (target, [status, javaClass, message]) => {
    const told = await door.refusal('GET', target)
    expect(told.slice(0, 2)).toEqual([status, javaClass])
    expect(told[2]).toContain(message)
  })
})

describe('CREATE', () => {
  it('sends the client to itself, and takes the bytes there', async () => {
    const { status, headers, text } = await door.ask('PUT', '/data/a?op=CREATE&overwrite=false')
    expect([status, text]).toEqual([307, ''])
    const answer = await door.ask('PUT', headers.location ?? '', { body: 'abc' })
    expect([answer.status, answer.text]).toEqual([201, ''])
    expect(answer.headers).toMatchObject({ 'content-length': '0', location: `webhdfs://${door.address}/data/a` })
    expect((await door.read('/data/a')).text).toBe('abc')
  })

  it('takes a chunked body', async () => {
    const body = { body: 'abcdef', headers: { 'transfer-encoding': 'chunked' } }
    expect((await door.ask('PUT', '/data/a?op=CREATE&data=true', body)).status).toBe(201)
    expect((await door.read('/data/a')).text).toBe('abcdef')
  })

  it('does nothing before the second request', async () => {
    expect((await door.ask('PUT', '/data/a?op=CREATE', { body: 'too early' })).status).toBe(307)
    expect((await door.refusal('GET', '/data/a?op=GETFILESTATUS'))[0]).toBe(404)
  })

  it('replaces a file only when asked', async () => {
    await door.write('/data/a', 'one')
    const refused = await door.ask('PUT', '/data/a?op=CREATE&data=true', { body: 'two' })
    expect(refused.status).toBe(403)
    expect(refused.text).toContain('"javaClassName":"org.apache.hadoop.fs.FileAlreadyExistsException"')
    expect((await door.read('/data/a')).text).toBe('one')
    expect((await door.write('/data/a', 'two', '&overwrite=true')).status).toBe(201)
    expect((await door.read('/data/a')).text).toBe('two')
    const flags = '&createflag=CREATE,overwrite&createparent=false'
    expect((await door.write('/data/a', 'three', flags)).status).toBe(201)
    expect((await door.read('/data/a')).text).toBe('three')
  })

  it('sets mode and owner; a block size counts if it is smaller', async () => {
    await door.write('/data/a', 'x', '&permission=640&user.name=ann&blocksize=1048575&replication=3&buffersize=9')
    expect(await door.memory.stat('/data/a')).toMatchObject({ mode: 0o640, owner: 'ann', blockSizeBytes: 1024 * 1024 })
    await door.write('/data/b', 'x', '&user.name=ann&doas=bob&blocksize=134217728')
    const { mode, owner, replicationMin } = await door.memory.stat('/data/b')
    expect([mode, owner, replicationMin]).toEqual([0o644, 'bob', 0])
  })

  it.each([
    ['/data/a?op=CREATE&data=true&createflag=CREATE,APPEND', 400, 'java.lang.UnsupportedOperationException'],
    ['/data/a?op=CREATE&data=true&createflag=BOGUS', 400, illegalArgument],
    ['/data/a?op=CREATE&data=true&permission=888', 400, illegalArgument],
    ['/data/a?op=CREATE&data=true&permission=2000', 400, illegalArgument],
    ['/data/a?op=CREATE&data=true&blocksize=0', 400, illegalArgument],
    ['/data/a?op=CREATE&data=true&replication=0', 400, illegalArgument],
    ['/data/no/a?op=CREATE&data=true&createparent=false', 404, fileNotFound],
    ['/data/file/a?op=CREATE&data=true&createparent=false', 403, 'org.apache.hadoop.fs.ParentNotDirectoryException'],
    ['/nowhere/a?op=CREATE&data=true', 404, fileNotFound],
    ['/readonly/a?op=CREATE&data=true', 403, 'org.apache.hadoop.security.AccessControlException'],
    ['/data/a?op=CREATE&data=true&user.name=a%20b', 400, illegalArgument],
  ])('refuses %s', async (target, status, javaClass) => {
    await door.write('/data/file', 'x')
    const told = await door.refusal('PUT', target, { body: 'abc' })
    expect(told.slice(0, 2)).toEqual([status, javaClass])
  })

  it('refuses to write a directory', async () => {
    await door.write('/data/dir/a', 'x')
    for (const path of ['/data/dir', '/data', '/']) {
      const told = await door.refusal('PUT', `${path}?op=CREATE&data=true&overwrite=true`, { body: 'x' })
      expect(told[1]).toBe('org.apache.hadoop.fs.FileAlreadyExistsException')
    }
  })
})

describe('DELETE', () => {
  beforeEach(async () => {
    await door.write('/data/dir/a', 'x')
    await door.write('/data/b', 'x')
  })

  it('says whether there was something', async () => {
    expect(await door.json('DELETE', '/data/b?op=DELETE')).toEqual({ boolean: true })
    expect(await door.json('DELETE', '/data/b?op=DELETE')).toEqual({ boolean: false })
    expect(await door.json('DELETE', '/nowhere/b?op=DELETE')).toEqual({ boolean: false })
    expect(await door.json('DELETE', '/?op=DELETE&recursive=true')).toEqual({ boolean: false })
  })

  it('takes a directory with what is in it only when asked', async () => {
    expect(await door.refusal('DELETE', '/data/dir?op=DELETE&recursive=false')).toEqual([
      ...[403, 'org.apache.hadoop.fs.PathIsNotEmptyDirectoryException'],
      "`/data/dir is non empty': Directory is not empty",
    ])
    expect(await door.json('DELETE', '/data/dir?op=DELETE&recursive=true')).toEqual({ boolean: true })
    await door.json('PUT', '/data/empty?op=MKDIRS')
    expect(await door.json('DELETE', '/data/empty?op=DELETE')).toEqual({ boolean: true })
  })

  it('leaves namespaces to the command line, and what is read-only as it is', async () => {
    const denied = 'org.apache.hadoop.security.AccessControlException'
    expect((await door.refusal('DELETE', '/data?op=DELETE&recursive=true')).slice(0, 2)).toEqual([403, denied])
    door.memory.plant('/readonly/a', { bytes: Buffer.from('x'), etag: 'e' })
    expect((await door.refusal('DELETE', '/readonly/a?op=DELETE')).slice(0, 2)).toEqual([403, denied])
  })
})
