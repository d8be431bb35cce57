// Why: every program uses the cache as a directory. How: `skein local`, a mount of it, and the
// programs that people use on directories; the bytes are compared with those of a local directory.
// Skipped where nothing can be mounted: it needs root and /dev/fuse.
import { execFile } from 'node:child_process'
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { open } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { Child } from '../support/child.ts'
import { isInstalled } from '../support/child.ts'
import { contentOf } from '../support/dataset.ts'
import { freePort } from '../support/free-port.ts'
import { LocalSkein, oneLine } from '../support/local-skein.ts'
import { ordinaryOrLong } from '../support/run-length.ts'
import { until } from '../support/until.ts'

const run = promisify(execFile)
const canMount = existsSync('/dev/fuse') && process.getuid?.() === 0 && isInstalled('mount')
if (canMount && !isInstalled('rsync')) console.log('rsync is not there: apt-get install rsync')
if (!canMount) console.log('skipped: mounts need root, /dev/fuse and mount(8)')

const pythonLoader = `
import hashlib, multiprocessing, os, sys
def digest(path):
    with open(path, 'rb') as file: return path, hashlib.sha256(file.read()).hexdigest()
if __name__ == '__main__':
    paths = sorted(os.path.join(sys.argv[1], name) for name in os.listdir(sys.argv[1]))
    with multiprocessing.Pool(4) as pool:
        for path, value in pool.imap(digest, paths, chunksize=16): print(value, os.path.basename(path))
`
const pythonMapping = `
import mmap, sys, zlib
with open(sys.argv[1], 'rb') as file:
    with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as pages: print(zlib.crc32(pages[5_000_000:]), len(pages))
`

let skein: LocalSkein
let folder: string
let point: string
let tree: string
let mounting: Child

const shell = async (text: string): Promise<string> =>
  (await run('bash', ['-c', `set -euo pipefail; ${text}`], { cwd: folder, maxBuffer: 1 << 26 })).stdout
const mountLine = (line: string): string | undefined => (line.startsWith('{"ready":"fuse"') ? line : undefined)
const mountRows = (): string[] =>
  readFileSync('/proc/self/mountinfo', 'utf8')
    .split('\n')
    .filter((line) => line.includes(` ${point} `))
const isAlive = (pid: number): boolean => existsSync(`/proc/${pid}`)

async function mount(...options: readonly string[]): Promise<Child> {
  const { child } = skein.startCli('fuse', 'mount', ...options, point)
  await child.line(mountLine, 60_000)
  return child
}

async function refused(...words: readonly string[]): Promise<{ readonly code: number | null; readonly line: string }> {
  const result = await skein.cli('fuse', ...words)
  return { code: result.code, line: oneLine(result) }
}

beforeAll(async () => {
  if (!canMount) return
  const port = await freePort()
  const properties = { 'goosefs.master.rpc.port': port, 'goosefs.master.mount.table.root.ufs': 'none' }
  skein = await LocalSkein.start({ quota: '2GB', properties })
  folder = skein.folder
  point = join(folder, 'mnt')
  tree = join(folder, 'tree')
  for (const directory of [point, join(folder, 'store'), join(tree, 'a/b c'), join(tree, 'many')])
    mkdirSync(directory, { recursive: true })
  for (let index = 0; index < ordinaryOrLong(60, 20_000); index += 1)
    writeFileSync(join(tree, 'many', `f${index}`), contentOf(`f${index}`, 1 + ((index * 977) % 20_000)))
  writeFileSync(join(tree, 'a/b c/ü&é'), 'needle in a file\n')
  writeFileSync(join(tree, 'empty'), '')
  writeFileSync(join(tree, 'large'), contentOf('large', 40_000_001))
  expect(await skein.cli('ns', 'create', 'data', `file://${join(folder, 'store')}`)).toMatchObject({ code: 0 })
  mounting = await mount('-o', 'attr_timeout=0.5,entry_timeout=0.5')
})

afterAll(async () => {
  if (!canMount) return
  await mounting.end('SIGTERM')
  await run('umount', ['-l', point]).catch(() => undefined)
  await skein.dispose()
})

describe.runIf(canMount)('a mount', () => {
  it('takes a tree and gives it back: cp, tar, find, grep, sha256sum, mv, rm', async () => {
    await shell('cp -rp tree mnt/data/copied && diff -r tree mnt/data/copied')
    await shell(
      '(cd tree && sha256sum many/* large) > sums && (cd mnt/data/copied && sha256sum -c --quiet ../../../sums)',
    )
    expect(await shell('cd mnt/data/copied && find . | sort')).toBe(await shell('cd tree && find . | sort'))
    expect(await shell('grep -r needle mnt/data/copied')).toBe('mnt/data/copied/a/b c/ü&é:needle in a file\n')
    await shell('tar cf packed.tar -C tree . && mkdir mnt/data/unpacked && tar xf packed.tar -C mnt/data/unpacked')
    await shell(
      'diff -r tree mnt/data/unpacked && mv mnt/data/unpacked mnt/data/moved && diff -r tree/many mnt/data/moved/many',
    )
    await shell('rm -r mnt/data/moved && test ! -e mnt/data/moved')
    expect(await skein.json('fs', 'stat', '/data/copied/large')).toMatchObject({ length: 40_000_001 })
    await shell('cd tree && find . -printf "%p %TY%Tm%Td%TT\\n" | sort > ../times')
    await shell('(cd mnt/data/copied && find . -printf "%p %TY%Tm%Td%TT\\n" | sort) | cmp - times')
    await shell('touch -d "1969-12-31 23:59:58.5 UTC" mnt/data/copied/empty')
    expect(await shell('stat -c %.3Y mnt/data/copied/empty')).toBe('-1.500\n')
  })

  it.skipIf(!isInstalled('rsync'))('is the source and the target of rsync, which finds what has changed', async () => {
    const sync = (from: string, to: string): Promise<string> =>
      shell(`rsync -a --delete --out-format=%n ${from}/ ${to}/`)
    await shell('mkdir -p synced/many synced/d && for i in $(seq 300); do echo "$i" > "synced/many/f$i"; done')
    await shell('echo x > synced/d/ü')
    expect((await sync('synced', 'mnt/data/synced')).split('\n').filter((name) => name !== '')).toHaveLength(304)
    expect(await sync('synced', 'mnt/data/synced')).toBe('')
    await shell('diff -r synced mnt/data/synced')
    await shell('echo longer than before > synced/many/f7; rm synced/many/f8')
    expect(await sync('synced', 'mnt/data/synced')).toBe('deleting many/f8\nmany/\nmany/f7\n')
    await sync('mnt/data/synced', 'back')
    await shell('diff -r synced back && rm -r mnt/data/synced')
  })

  it('reads by O_DIRECT, by mappings, and by the processes of a loader', async () => {
    await shell('dd if=mnt/data/copied/large of=direct bs=1M iflag=direct status=none && cmp direct tree/large')
    await shell(
      'part="bs=4096 skip=7 count=3 status=none"; ' +
        'dd if=mnt/data/copied/large $part iflag=direct | cmp - <(dd if=tree/large $part)',
    )
    writeFileSync(join(folder, 'mapping.py'), pythonMapping)
    expect(await shell('python3 mapping.py mnt/data/copied/large')).toBe(await shell('python3 mapping.py tree/large'))
    writeFileSync(join(folder, 'loader.py'), pythonLoader)
    expect(await shell('python3 loader.py mnt/data/copied/many')).toBe(await shell('python3 loader.py tree/many'))
  })

  it('saves by renaming, from shells and editors, while others read', async () => {
    await shell('echo one > mnt/data/note')
    const reader = await open(join(point, 'data/note'))
    await shell(
      'echo two, and longer > mnt/data/note.tmp && mv mnt/data/note.tmp mnt/data/note && test ! -e mnt/data/note.tmp',
    )
    expect(readFileSync(join(point, 'data/note'), 'utf8')).toBe('two, and longer\n')
    expect((await reader.readFile()).toString()).toBe('one\n')
    await reader.close()
    await shell('{ echo a; cat tree/a/b*/*; echo b; } > mnt/data/note')
    expect(readFileSync(join(point, 'data/note'), 'utf8')).toBe('a\nneedle in a file\nb\n')
    await shell('exec 3> mnt/data/note; echo x >&3; echo y >&3')
    expect(readFileSync(join(point, 'data/note'), 'utf8')).toBe('x\ny\n')
    await shell('touch mnt/data/note mnt/data/made && test ! -s mnt/data/made && chmod 600 mnt/data/note')
    expect(statSync(join(point, 'data/note')).mode & 0o777).toBe(0o600)
    expect(readdirSync(join(point, 'data')).filter((name) => name.includes('note'))).toEqual(['note'])
  })

  it('shows what others change', async () => {
    writeFileSync(join(folder, 'given'), 'first')
    expect(await skein.cli('fs', 'copyFromLocal', join(folder, 'given'), '/data/given')).toMatchObject({ code: 0 })
    expect(readFileSync(join(point, 'data/given'), 'utf8')).toBe('first')
    writeFileSync(join(folder, 'given'), 'second, longer')
    expect(await skein.cli('fs', 'rm', '/data/given')).toMatchObject({ code: 0 })
    expect(await skein.cli('fs', 'copyFromLocal', join(folder, 'given'), '/data/given')).toMatchObject({ code: 0 })
    const read = async (): Promise<string> => shell('cat mnt/data/given || true')
    await until(read, (text) => text === 'second, longer')
  })

  it.runIf(isInstalled('git'))('holds a tree of git', async () => {
    const git = 'git -c user.name=a -c user.email=a@b -c core.fsync=none'
    await shell(
      `mkdir repository && cd repository && git init -q . && cp -r ../tree/a . && git add . && ${git} commit -qm one`,
    )
    await shell('cp -r repository mnt/data/repository')
    expect(await shell('cd mnt/data/repository && git -c safe.directory="*" status --short')).toBe('')
    await shell('echo more > mnt/data/repository/new')
    expect(await shell('cd mnt/data/repository && git -c safe.directory="*" status --short')).toBe('?? new\n')
  })

  it('refuses what a cache of objects cannot do, and says so', async () => {
    const failing = (text: string): Promise<string> => shell(`! (${text}) 2>&1`)
    expect(await failing('echo more >> mnt/data/copied/large')).toContain('not supported')
    expect(await failing('ln mnt/data/copied/large mnt/data/link')).toContain('not supported')
    expect(await failing('ln -s x mnt/data/link')).toContain('not supported')
    expect(await failing('truncate -s 5 mnt/data/copied/large')).toContain('not supported')
    expect(
      await failing('dd if=tree/large of=mnt/data/copied/large seek=3 count=1 conv=notrunc status=none'),
    ).toContain('not supported')
    expect(await failing('rmdir mnt/data/copied')).toContain('not empty')
    expect(await failing('mkdir mnt/elsewhere')).toContain('mnt/elsewhere')
    await shell('cmp tree/large mnt/data/copied/large')
  })

  it('goes on after master and worker were killed', async () => {
    const size = statSync(join(tree, 'large')).size
    const reader = await open(join(point, 'data/copied/large'), 0o40000)
    const bytes = Buffer.alloc(1 << 20)
    await reader.read(bytes, 0, bytes.length, 0)
    await skein.stop('SIGKILL')
    const name = join(point, 'data/copied/empty')
    const waiting = (await import('node:fs/promises')).stat(name)
    const reading = reader.read(bytes, 0, bytes.length, size - (size % 4096) - (1 << 20))
    await skein.start()
    expect((await waiting).size).toBe(0)
    await reading
    await reader.close()
    await shell('cmp tree/large mnt/data/copied/large && diff -r tree/many mnt/data/copied/many')
  })

  it('refuses mount points and options with one line', async () => {
    const other = join(folder, 'other')
    mkdirSync(other)
    expect(await refused('mount', point)).toMatchObject({
      code: 1,
      line: expect.stringContaining('is mounted already'),
    })
    expect(await refused('mount', join(folder, 'none'))).toMatchObject({
      code: 2,
      line: expect.stringContaining('does not exist'),
    })
    expect(await refused('mount', tree)).toMatchObject({ code: 1, line: expect.stringContaining('is not empty') })
    expect(await refused('mount', join(tree, 'large'))).toMatchObject({
      code: 1,
      line: expect.stringContaining('not a directory'),
    })
    expect(await refused('mount', other, '/data/none')).toMatchObject({
      code: 2,
      line: expect.stringContaining('/data/none'),
    })
    expect(await refused('mount', other, '/data/copied/large')).toMatchObject({
      code: 1,
      line: expect.stringContaining('is a file'),
    })
    expect(await refused('mount', '-o', 'sync', other)).toMatchObject({ code: 64, line: "unknown mount option 'sync'" })
    expect(await refused('mount', '-o', 'uid=me', other)).toMatchObject({
      line: expect.stringContaining('skein.fuse.user.id'),
    })
    expect(await refused('umount', other)).toMatchObject({
      code: 2,
      line: expect.stringContaining('is not a mount of Skein'),
    })
    const { stdout } = await skein.cli('fuse', 'stat')
    expect(stdout).toContain(`${mounting.pid}`)
    expect(stdout).toContain(point)
  })

  it('is replaced when its process was killed', async () => {
    await mounting.end('SIGKILL')
    expect(() => readdirSync(point)).toThrow('ENOTCONN')
    mounting = await mount('-o', 'ro')
    expect(mountRows()).toHaveLength(1)
    expect(() => writeFileSync(join(point, 'data/new'), 'x')).toThrow('EROFS')
  })

  it('mounts and unmounts, again and again, and leaves nothing', async () => {
    await mounting.end('SIGTERM')
    expect(mountRows()).toEqual([])
    for (let cycle = 0; cycle < ordinaryOrLong(2, 200); cycle += 1) {
      const { child } = skein.startCli('fuse', 'mount', '--background', point, '/data/copied')
      const ready = JSON.parse(await child.line(mountLine, 60_000)) as { readonly pid: number }
      expect(await child.ended).toBe(0)
      expect(readFileSync(join(point, 'a/b c/ü&é'), 'utf8')).toBe('needle in a file\n')
      if (cycle % 2 === 0) expect(await skein.cli('fuse', 'umount', point)).toMatchObject({ code: 0 })
      else process.kill(ready.pid, 'SIGTERM')
      await until(
        async () => isAlive(ready.pid),
        (alive) => !alive,
      )
      expect(mountRows()).toEqual([])
      expect(readdirSync(point)).toEqual([])
    }
    mounting = await mount()
    rmSync(join(point, 'data/copied/empty'))
    await mounting.end('SIGINT')
    expect(mountRows()).toEqual([])
  })
})
