// Why: whatever a user sets wrongly, he gets one clear line that names the key and the place, the
// right exit code, and no half-made home. How: `skein local` as a process, which must refuse to
// start; the words of each line are looked at.
import { mkdirSync, mkdtempSync, readdirSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { run } from '../support/cluster.ts'
import type { CommandResult } from '../support/command-result.ts'
import { freePorts, oneLine, withoutLog } from '../support/local-skein.ts'

const directoryKeys = 'goosefs.worker.tieredstore.level0.dirs'

describe('settings that are wrong', () => {
  let home: string

  beforeAll(() => {
    home = mkdtempSync(join(tmpdir(), 'skein-settings-'))
  })
  afterAll(() => rmSync(home, { recursive: true, force: true }))

  const start = (...args: readonly string[]): Promise<CommandResult> =>
    run(['local', '--home', home, ...freePorts, ...args], { timeoutMs: 30_000 })

  it.each([
    ['an unknown key', ['-Dskein.hoem=/x'], /unknown key 'skein\.hoem'.*skein\.home/],
    ['a bad size', ['-Dfs.cosn.block.size=12XB'], /fs\.cosn\.block\.size: '12XB' is not a size.*128MB/],
    ['a size below the minimum', ['-Dfs.cosn.block.size=0'], /fs\.cosn\.block\.size: '0' is below the minimum/],
    [
      'a bad duration',
      ['-Dskein.heartbeat.interval=soon'],
      /skein\.heartbeat\.interval: 'soon' is not a duration.*10m/,
    ],
    ['a port that is none', ['-Dgoosefs.master.rpc.port=70000'], /goosefs\.master\.rpc\.port: '70000' is above/],
    ['a queue that is none', ['-Dskein.queue.url=http://:word@x'], /skein\.queue\.url.*redis:\/\//],
    [
      'a quota list of the wrong length',
      [
        `-D${directoryKeys}.path=/tmp/skein-a,/tmp/skein-b`,
        `-D${directoryKeys}.quota=1GB`,
        `-D${directoryKeys}.mediumtype=SSD,SSD`,
      ],
      /dirs\.quota: has 1 entry for 2 directories/,
    ],
    [
      'an unknown annotator',
      ['-Dgoosefs.worker.block.annotator.class=FIFO'],
      /annotator\.class: 'FIFO' is none of .*LRUAnnotator/,
    ],
    [
      'two tiers of one name',
      ['-Dgoosefs.worker.tieredstore.levels=2', ...tierFlags(0, '/tmp/skein-a'), ...tierFlags(1, '/tmp/skein-b')],
      /level1\.alias: 'SSD' occurs twice/,
    ],
  ])('%s: exit 64', async (_what, args, words) => {
    const result = await start(...args)
    expect(oneLine(result)).toMatch(words)
    expect(result.code).toBe(64)
    expect(result.stderr).not.toContain(':word@')
  })

  it('a wrong line of a properties file is named with its file and line: exit 1', async () => {
    const file = join(home, 'bad.properties')
    writeFileSync(file, '# a comment\n\nfs.cosn.block.size=12XB\n')
    const result = await run(['local', '--home', home, ...freePorts], { env: { SKEIN_CONF: file }, timeoutMs: 30_000 })
    expect(oneLine(result)).toContain(`${file}:3: fs.cosn.block.size: '12XB' is not a size`)
    expect(result.code).toBe(1)
  })

  it.each([
    ['one inside the other', ['/a', '/a/b'], /level0\.dirs\.path: '.*\/a' and '.*\/a\/b' are nested/],
    ['one twice', ['/a', '/b/../a/'], /level0\.dirs\.path: '.*\/a' occurs twice/],
    ['one twice, through a symbolic link', ['/real/a', '/link/a'], /level0\.dirs\.path: .* are the same directory/],
  ])('block directories, %s: exit 64, nothing is made', async (_what, paths, words) => {
    const folder = mkdtempSync(join(tmpdir(), 'skein-overlap-'))
    try {
      mkdirSync(join(folder, 'real'))
      symlinkSync(join(folder, 'real'), join(folder, 'link'))
      const directories = [
        `-D${directoryKeys}.path=${paths.map((path) => folder + path).join(',')}`,
        `-D${directoryKeys}.quota=1MB,1MB`,
      ]
      const result = await run(['local', '--home', join(folder, 'home'), ...freePorts, ...directories], {
        timeoutMs: 30_000,
      })
      expect(oneLine(result)).toMatch(words)
      expect(result.code).toBe(64)
      expect(readdirSync(folder).toSorted()).toEqual(['link', 'real'])
      expect(readdirSync(join(folder, 'real'))).toEqual([])
    } finally {
      rmSync(folder, { recursive: true, force: true })
    }
  })

  it('a block directory that is not absolute: exit 64', async () => {
    const result = await start(`-D${directoryKeys}.path=cache`)
    expect(oneLine(result)).toMatch(/level0\.dirs\.path: 'cache' is not an absolute path/)
    expect(result.code).toBe(64)
  })

  it.each(['local', 'worker'])(
    '%s with a second block directory above its disk: exit 1, nothing is made',
    async (role) => {
      const folder = mkdtempSync(join(tmpdir(), 'skein-quota-'))
      try {
        const directories = [`-D${directoryKeys}.path=${folder}/a,${folder}/b/c`, `-D${directoryKeys}.quota=1MB,900TB`]
        const queue = role === 'worker' ? ['-Dskein.queue.url=redis://127.0.0.1:1'] : []
        const ports = [...freePorts, ...queue, `-Dskein.home=${folder}/home`]
        const result = await run([role, ...ports, ...directories], { timeoutMs: 30_000 })
        expect(oneLine({ ...result, stderr: withoutLog(result.stderr) })).toMatch(
          /\/b\/c, .* is above the size of its disk/,
        )
        expect(result.code).toBe(1)
        expect(readdirSync(folder)).toEqual([])
      } finally {
        rmSync(folder, { recursive: true, force: true })
      }
    },
  )

  it.each([
    ['the home directory', ['-Dskein.home=/etc/passwd/home'], '/etc/passwd/home'],
    ['a block directory', [`-D${directoryKeys}.path=/etc/passwd/blocks`], '/etc/passwd/blocks'],
  ])('%s below a regular file: exit 1', async (_what, args, path) => {
    const result = await start(...args)
    expect(oneLine({ ...result, stderr: withoutLog(result.stderr) })).toContain(path)
    expect(oneLine({ ...result, stderr: withoutLog(result.stderr) })).not.toContain('defect')
    expect(result.code).toBe(1)
  })
})

function tierFlags(level: number, path: string): string[] {
  const keys = `goosefs.worker.tieredstore.level${level}`
  return [
    `-D${keys}.alias=SSD`,
    `-D${keys}.dirs.path=${path}`,
    `-D${keys}.dirs.quota=1MB`,
    `-D${keys}.dirs.mediumtype=SSD`,
  ]
}
