import { execFileSync } from 'node:child_process'
import { chmod, link, mkdir, mkdtemp, rename, rm, symlink, truncate, writeFile } from 'node:fs/promises'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { MetricRegistry } from '../../../src/telemetry/registry.ts'
import { LocalUnderFileSystem } from '../../../src/ufs/local/local.ts'

const signal = new AbortController().signal

/** A path with bytes that are no UTF-8. */
const bytes = (folder: string, name: string): Buffer =>
  Buffer.concat([Buffer.from(`${folder}/`), Buffer.from(name, 'latin1')])

describe('names in a directory that no bucket has', () => {
  let base: string
  let root: string
  let store: LocalUnderFileSystem
  beforeEach(async () => {
    base = await mkdtemp(join(tmpdir(), 'skein-ufs-names-'))
    root = join(base, 'root')
    await mkdir(join(root, 'sub'), { recursive: true })
    await writeFile(join(root, 'sub', 'file'), 'inside')
    await mkdir(join(base, 'outside'))
    await writeFile(join(base, 'outside', 'file'), 'outside')
    store = new LocalUnderFileSystem(root, [base], new MetricRegistry())
  })
  afterEach(async () => {
    await store.close()
    await rm(base, { recursive: true, force: true })
  })

  /**
   * Each key of the listing with its problem, if any; in pages of `limit`, and again with every
   * page walked anew.
   */
  async function listing(prefix = '', limit = 1000): Promise<Record<string, string>> {
    const found: Record<string, string> = {}
    let previous = ''
    for (let after: { key: string; token: string | undefined } | undefined, more = true; more;) {
      const page = await store.list({ prefix, delimiter: undefined, after, limit }, signal)
      for (const { key, problem } of page.objects) {
        expect(Buffer.compare(Buffer.from(key), Buffer.from(previous)), key).toBe(previous === '' && key === '' ? 0 : 1)
        previous = key
        found[key] = problem ?? ''
      }
      after = page.next === undefined ? undefined : { key: page.next.key, token: undefined }
      more = after !== undefined
    }
    return found
  }

  it('names what is not UTF-8 with its bytes escaped, files and directories, and each name once', async () => {
    await writeFile(bytes(root, 'caf\xe9'), 'x')
    await writeFile(join(root, 'caf\\xe9'), 'x')
    await mkdir(bytes(root, 'd\xe9'))
    await writeFile(bytes(root, 'd\xe9/inner'), 'x')
    await writeFile(join(root, 'line\nbreak'), 'x')
    const found = await listing()
    expect(Object.keys(found)).toEqual(['caf\\xe9', 'caf\\xe9 (bytes)', 'd\\xe9/', 'line\nbreak', 'sub/file'])
    expect(found['caf\\xe9']).toBe('')
    expect(found['caf\\xe9 (bytes)']).toContain('not UTF-8')
    expect(found['d\\xe9/']).toContain('not UTF-8')
    expect(await listing('', 1)).toEqual(found)
  })

  it('follows links inside the root, and names those that leave it, dangle or lie in their own target', async () => {
    await symlink('sub', join(root, 'linked'))
    await symlink('sub/file', join(root, 'alias'))
    await symlink(join(base, 'outside'), join(root, 'stolen'))
    await symlink(join(base, 'outside', 'file'), join(root, 'stolen-file'))
    await symlink('nowhere', join(root, 'dangling'))
    await symlink('self', join(root, 'self'))
    await symlink('..', join(root, 'sub', 'up'))
    await symlink(root, join(root, 'whole'))
    await mkdir(join(root, 'a'))
    await symlink('../b', join(root, 'a', 'b'))
    await mkdir(join(root, 'b'))
    await symlink('../a', join(root, 'b', 'a'))
    const found = await listing()
    const loaded = Object.keys(found).filter((key) => found[key] === '')
    expect(loaded).toEqual(['alias', 'linked/file', 'sub/file'])
    expect(found).toMatchObject({
      'a/b/a': expect.stringContaining('a directory that contains the link'),
      'b/a/b': expect.stringContaining('a directory that contains the link'),
      dangling: expect.stringContaining('does not exist'),
      'linked/up': expect.stringContaining('a directory that contains the link'),
      self: expect.stringContaining('a loop of links'),
      stolen: expect.stringContaining("outside the namespace's directory"),
      'stolen-file': expect.stringContaining("outside the namespace's directory"),
      'sub/up': expect.stringContaining('a directory that contains the link'),
      whole: expect.stringContaining('a directory that contains the link'),
    })
    expect(await listing('', 1)).toEqual(found)
    // Whoever looks at one name sees what the listing says of it.
    for (const key of loaded) expect((await store.stat(key, signal)).length, key).toBe(6)
    for (const key of [
      ...Object.keys(found).filter((one) => found[one] !== ''),
      'whole/sub/file',
      'stolen/file',
      'sub/up/sub/file',
    ]) {
      const wanted = {
        code: 'failed_precondition',
        reason: 'object_unusable',
        message: expect.stringMatching(/symbolic link/),
      }
      await expect(store.stat(key, signal), key).rejects.toMatchObject(wanted)
      await expect(store.readWhole({ key, etag: 'x', offset: 0, length: 1 }, signal), key).rejects.toMatchObject(wanted)
    }
    for (const prefix of ['whole/', 'stolen/', 'sub/up/'])
      await expect(listing(prefix), prefix).rejects.toMatchObject({ reason: 'object_unusable' })
    expect(await listing('linked/')).toMatchObject({ 'linked/file': '' })
    const folded = await store.list({ prefix: '', delimiter: '/', after: undefined, limit: 1000 }, signal)
    expect(folded.prefixes).toEqual(['a/', 'b/', 'linked/', 'sub/'])
  })

  it('reads a file of any bytes through a link that has a name', async () => {
    await writeFile(bytes(root, 'caf\xe9'), 'coffee')
    await symlink(bytes('.', 'caf\xe9'), join(root, 'coffee'))
    const { etag, length } = await store.stat('coffee', signal)
    expect(Buffer.from(await store.readWhole({ key: 'coffee', etag, offset: 0, length }, signal)).toString()).toBe(
      'coffee',
    )
    expect((await listing())['coffee']).toBe('')
  })

  it('names FIFOs, sockets and devices, also behind a link, and waits for none', async () => {
    execFileSync('mkfifo', [join(root, 'pipe')])
    await symlink('pipe', join(root, 'to-pipe'))
    const server = createServer().listen(join(root, 'socket'))
    await new Promise((resolve) => server.once('listening', resolve))
    expect(await listing()).toMatchObject({
      pipe: expect.stringContaining('a FIFO'),
      'to-pipe': expect.stringContaining('a FIFO'),
      socket: expect.stringContaining('a socket'),
      'sub/file': '',
    })
    await expect(store.stat('pipe', signal)).rejects.toMatchObject({ reason: 'object_unusable' })
    await new Promise((resolve) => server.close(resolve))
  })

  it('loads hard links, sparse files, and times that no calendar has', async () => {
    await link(join(root, 'sub', 'file'), join(root, 'hard'))
    await writeFile(join(root, 'sparse'), '')
    await truncate(join(root, 'sparse'), 5_000_000_000)
    await writeFile(join(root, 'old'), 'x')
    execFileSync('touch', ['-d', '@-86400', join(root, 'old')])
    await writeFile(join(root, 'late'), 'x')
    execFileSync('touch', ['-d', '@8888888888888', join(root, 'late')])
    const { objects } = await store.list({ prefix: '', delimiter: undefined, after: undefined, limit: 1000 }, signal)
    const of = (key: string) => objects.find((object) => object.key === key)
    expect(of('sparse')?.length).toBe(5_000_000_000)
    expect(of('old')?.modifiedMs).toBe(-86_400_000)
    expect(of('hard')?.etag).toBe(of('sub/file')?.etag)
    for (const { key, etag, modifiedMs } of objects) {
      expect(Number.isNaN(new Date(modifiedMs).getTime()), key).toBe(false)
      expect((await store.stat(key, signal)).etag).toBe(etag)
    }
  })

  // The tests of a package build may run as anybody; only root can become somebody who may not
  // read.
  it.runIf(process.getuid?.() === 0)('names what may not be looked into', async () => {
    await mkdir(join(root, 'closed'))
    await writeFile(join(root, 'closed', 'x'), 'x')
    await mkdir(join(root, 'names-only'))
    await writeFile(join(root, 'names-only', 'x'), 'x')
    await chmod(base, 0o755)
    await chmod(join(root, 'closed'), 0o000)
    await chmod(join(root, 'names-only'), 0o444)
    process.seteuid?.(65_534)
    try {
      const found = await listing()
      expect(found).toEqual({
        'closed/': 'the directory cannot be listed (EACCES)',
        'names-only/x': 'it cannot be read (EACCES)',
        'sub/file': '',
      })
      expect(await listing('', 1)).toEqual(found)
      expect(await listing('closed/')).toEqual({ 'closed/': 'the directory cannot be listed (EACCES)' })
      await expect(listing('closed/deeper/')).rejects.toMatchObject({ code: 'permission_denied' })
      await expect(store.stat('closed/x', signal)).rejects.toMatchObject({ code: 'permission_denied' })
    } finally {
      process.seteuid?.(0)
    }
  })

  it('names a path that is too long for the system instead of ending there', async () => {
    let deep = root
    const before = process.cwd()
    process.chdir(root)
    for (let depth = 0; depth < 22; depth += 1) {
      await mkdir('n'.repeat(200))
      process.chdir('n'.repeat(200))
      deep += `/${'n'.repeat(200)}`
    }
    await writeFile('leaf', 'x')
    process.chdir(before)
    const found = await listing()
    expect(deep.length).toBeGreaterThan(4096)
    expect(Object.values(found)).toContainEqual('the directory cannot be listed (ENAMETOOLONG)')
    expect(found['sub/file']).toBe('')
    // Node removes by whole paths.
    execFileSync('rm', ['-rf', root])
  })

  it('a directory that goes while it is walked is not in the listing, and the rest is', async () => {
    for (const name of ['a', 'm', 'z']) {
      await mkdir(join(root, name))
      await writeFile(join(root, name, 'x'), 'x')
    }
    const first = await store.list({ prefix: '', delimiter: undefined, after: undefined, limit: 1 }, signal)
    await rename(join(root, 'm'), join(base, 'gone'))
    const rest = await store.list({ prefix: '', delimiter: undefined, after: first.next, limit: 10 }, signal)
    expect(rest.objects.map(({ key }) => key)).toEqual(['sub/file', 'z/x'])
  })
})

describe('the directories that may be used', () => {
  let base: string
  beforeEach(async () => {
    base = await mkdtemp(join(tmpdir(), 'skein-ufs-roots-'))
    await mkdir(join(base, 'allowed', 'data'), { recursive: true })
    await mkdir(join(base, 'allowed-not'))
    await writeFile(join(base, 'allowed', 'data', 'x'), 'x')
  })
  afterEach(() => rm(base, { recursive: true, force: true }))
  const check = (directory: string, roots: readonly string[]): Promise<void> =>
    new LocalUnderFileSystem(directory, roots, new MetricRegistry()).check(signal)

  it('are those of the list, by their real paths, and never the whole disk', async () => {
    await symlink(join(base, 'allowed', 'data'), join(base, 'in'))
    await symlink('/etc', join(base, 'allowed', 'out'))
    await symlink(join(base, 'allowed'), join(base, 'root-by-link'))
    const allowed = [join(base, 'allowed')]
    await check(join(base, 'allowed'), allowed)
    await check(join(base, 'allowed', 'data'), allowed)
    await check(join(base, 'in'), allowed)
    await check(join(base, 'allowed', 'data'), [join(base, 'root-by-link')])
    await check(join(base, 'allowed', 'data'), ['/'])
    const refused = {
      code: 'permission_denied',
      reason: 'endpoint_not_allowed',
      message: expect.stringContaining('skein.ufs.file.roots'),
    }
    for (const [directory, roots] of [
      [join(base, 'allowed', 'data'), []],
      [join(base, 'allowed-not'), allowed],
      [base, allowed],
      [join(base, 'allowed', 'out'), allowed],
      [join(base, 'not-there'), allowed],
      [`/proc/self/root${join(base, 'allowed-not')}`, allowed],
      ['/proc/self/root', ['/']],
      ['/proc/self/cwd/../../../../../../../..', ['/']],
      ['/', ['/']],
    ] as const) {
      await expect(check(directory, roots), directory).rejects.toMatchObject(refused)
    }
    // Within the list it may be said that there is nothing.
    await expect(check(join(base, 'allowed', 'none'), allowed)).rejects.toMatchObject({ code: 'not_found' })
  })

  it('are looked at again at each use: a directory that is replaced by a link out is not read', async () => {
    const directory = join(base, 'allowed', 'data')
    const store = new LocalUnderFileSystem(directory, [join(base, 'allowed')], new MetricRegistry())
    const { etag } = await store.stat('x', signal)
    await rename(directory, join(base, 'moved'))
    await symlink(join(base, 'moved'), directory)
    for (const use of [
      () => store.stat('x', signal),
      () => store.readWhole({ key: 'x', etag, offset: 0, length: 1 }, signal),
      () => store.list({ prefix: '', delimiter: undefined, after: undefined, limit: 10 }, signal),
      () => store.delete('x', signal),
    ])
      await expect(use()).rejects.toMatchObject({ code: 'permission_denied' })
    await store.close()
  })
})
