// Why: what a directory holds and a bucket cannot must be named by every command that goes through
// it, in the same words; and a `file://` namespace reaches only what the roles were told.
import { execFileSync } from 'node:child_process'
import { mkdirSync, symlinkSync, unlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { LocalSkein, oneLine } from '../support/local-skein.ts'

describe('odd names in a directory', () => {
  let skein: LocalSkein
  let root: string
  beforeAll(async () => {
    skein = await LocalSkein.start()
    root = join(skein.folder, 'data')
    mkdirSync(join(root, 'd', 'sub'), { recursive: true })
    writeFileSync(join(root, 'd', 'sub', 'good'), 'good')
    writeFileSync(Buffer.concat([Buffer.from(`${root}/d/`), Buffer.from('caf\xe9', 'latin1')]), 'x')
    mkdirSync(Buffer.concat([Buffer.from(`${root}/d/`), Buffer.from('d\xe9', 'latin1')]))
    symlinkSync('sub', join(root, 'd', 'linked'))
    symlinkSync('/etc', join(root, 'd', 'stolen'))
    symlinkSync('nowhere', join(root, 'd', 'dangling'))
    symlinkSync('..', join(root, 'd', 'sub', 'up'))
    execFileSync('mkfifo', [join(root, 'd', 'pipe')])
    expect(await skein.cli('ns', 'create', 'n', `file://${root}`)).toMatchObject({ code: 0 })
  }, 60_000)
  afterAll(() => skein?.dispose())

  const odd = ['d/caf\\xe9', 'd/d\\xe9/', 'd/stolen', 'd/dangling', 'd/pipe', 'd/sub/up', 'd/linked/up']
  const namesAll = (text: string, keys: readonly string[] = odd): void => {
    for (const key of keys) expect(text).toContain(`/n/${key}`)
  }

  it('are named by plan, load, ls, checkConsistency and loadMetadata (exit code 3); links are followed', async () => {
    const plan = await skein.cli('fs', 'distributedLoad', '--plan', '/n/d')
    expect(plan).toMatchObject({ code: 3, stdout: expect.stringContaining(`Cannot be loaded: ${odd.length}`) })
    namesAll(plan.stdout)
    const load = await skein.cli('fs', 'distributedLoad', '/n/d')
    expect(load).toMatchObject({ code: 3, stdout: expect.stringContaining(`failed file count is ${odd.length}`) })
    namesAll(load.stdout + load.stderr)
    for (const path of ['/n/d/sub/good', '/n/d/linked/good'])
      expect(await skein.cli('fs', 'cat', path)).toMatchObject({ code: 0, stdout: 'good' })
    for (const rounds of [1, 2]) {
      const ls = await skein.cli('fs', 'ls', '-R', '/n')
      expect(ls.code, `round ${rounds}`).toBe(3)
      namesAll(ls.stderr)
      expect(ls.stdout).toMatch(/100% \/n\/d\/linked\/good/)
    }
    const flat = await skein.cli('fs', 'ls', '/n/d')
    expect(flat.code).toBe(3)
    namesAll(flat.stderr, odd.slice(0, 5))
    expect(flat.stderr).not.toContain('/n/d/sub/up')
    const check = await skein.cli('fs', 'checkConsistency', '/n')
    expect(check.code).toBe(3)
    expect(check.stdout).not.toContain('is consistent')
    namesAll(check.stdout)
    namesAll((await skein.cli('fs', 'loadMetadata', '-R', '/n')).stderr)
    const cat = await skein.cli('fs', 'cat', '/n/d/stolen/passwd')
    expect(cat.code).toBe(1)
    expect(oneLine(cat)).toMatch(/\/d\/stolen cannot be read: it is a symbolic link to a target outside the namespace/)
  })

  it('are named when they are loaded by name, and a directory behind a link is loaded by name', async () => {
    for (const key of ['d/stolen', 'd/dangling', 'd/pipe', 'd/sub/up']) {
      const load = await skein.cli('fs', 'distributedLoad', `/n/${key}`)
      expect(load.code, key).toBe(3)
      namesAll(load.stdout + load.stderr, [key])
    }
    const byName = await skein.cli('fs', 'distributedLoad', '/n/d/linked')
    expect(byName).toMatchObject({
      code: 3,
      stdout: expect.stringContaining('completed file count is 1, failed file count is 1'),
    })
  })

  it.each([['distributedLoad'], ['distributedLoad', '--plan'], ['load']])(
    'asked for alone are named by %s: exit code 3',
    async (...command) => {
      for (const key of odd.filter((one) => !one.endsWith('/'))) {
        const { code, stdout } = await skein.cli('fs', ...command, `/n/${key}`)
        expect({ code, stdout }, key).toEqual({ code: 3, stdout: expect.stringContaining(`/n/${key}: `) })
      }
    },
  )

  it('take nothing that is known away: a directory that cannot be looked into keeps its files', async () => {
    mkdirSync(join(root, 'e', 'inner'), { recursive: true })
    writeFileSync(join(root, 'e', 'inner', 'kept'), 'kept')
    writeFileSync(join(root, 'e', 'plain'), 'plain')
    expect(await skein.cli('fs', 'distributedLoad', '/n/e')).toMatchObject({ code: 0 })
    // A link in a circle stands for any directory that cannot be looked into.
    execFileSync('mv', [join(root, 'e', 'inner'), join(skein.folder, 'inner')])
    symlinkSync('inner', join(root, 'e', 'inner'))
    expect(await skein.cli('fs', 'distributedLoad', '/n/e')).toMatchObject({ code: 3 })
    expect((await skein.cli('fs', 'ls', '-R', '/n/e')).stdout).toContain('/n/e/inner/kept')
    unlinkSync(join(root, 'e', 'inner'))
    expect(await skein.cli('fs', 'distributedLoad', '/n/e')).toMatchObject({ code: 0 })
    expect((await skein.cli('fs', 'ls', '-R', '/n/e')).stdout).not.toContain('/n/e/inner/kept')
  })

  it('are left out by a glob that names them, and by no bound of size', async () => {
    const globs = ['caf*', 'd\\*/', 'd?xe9/', 'stolen', 'dangling', 'pipe', 'up'].flatMap((glob) => ['--exclude', glob])
    expect(await skein.cli('fs', 'distributedLoad', '/n/d', ...globs)).toMatchObject({ code: 0 })
    expect(await skein.cli('fs', 'distributedLoad', '/n/d', '--size-min', '1')).toMatchObject({ code: 3 })
  })

  it('the whole disk is no namespace, in whatever spelling', async () => {
    // What is wrongly written is 64; what only leads there is not allowed.
    const spellings = [
      ['file:///', 64],
      ['file:////', 64],
      ['file:///../', 64],
      ['file:///proc/self/root', 1],
      ['file:///proc/self/root/', 1],
    ] as const
    for (const [uri, code] of spellings) {
      const result = await skein.cli('ns', 'create', 'disk', uri)
      expect(result.code, uri).toBe(code)
      expect(oneLine(result), uri).toMatch(/not a store|not a namespace URI|root of the file system/)
    }
  })
})
