// Why: what a command says before it has reached any role, as the process that a shell starts: its
// names, its version, where a key belongs.
import { execFileSync, spawnSync } from 'node:child_process'
import {
  cpSync,
  existsSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { run } from '../support/cluster.ts'
import { freePort } from '../support/free-port.ts'
import { childEnvironment } from '../support/child-environment.ts'

const root = join(import.meta.dirname, '../..')
const { version, bin } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as {
  version: string
  bin: Record<string, string>
}

describe('the command line', () => {
  const folder = mkdtempSync(join(tmpdir(), 'skein-command-'))
  const env = { SKEIN_HOME: folder, SKEIN_MASTER: undefined }
  let nobody: string
  beforeAll(async () => {
    nobody = `-Dgoosefs.master.rpc.port=${await freePort()}`
  })
  afterAll(() => rmSync(folder, { recursive: true, force: true }))

  it('says on stderr where a key of servers belongs, once, with the exit code that it had without', async () => {
    const without = await run(['fs', 'ls', '/', nobody], { env })
    for (const key of [
      'goosefs.worker.tieredstore.levels=2',
      'skein.load.task.bytes=16MB',
      'skein.queue.url=redis://127.0.0.1:1',
    ]) {
      const { code, stdout, stderr } = await run(['fs', 'ls', '/', nobody, `-D${key}`], { env })
      expect(stderr.split('\n').filter((line) => line.startsWith('skein: warning: -D: '))).toHaveLength(1)
      expect(stderr).toContain(`${key.split('=')[0]} has no effect on a command: set it for the `)
      expect([code, stdout]).toEqual([without.code, without.stdout])
    }
    expect((await run(['fs', 'ls', '/', nobody, '-Dgoosefs.worker.tieredstore.levels=x'], { env })).code).toBe(64)
  })

  it('takes the same key from a site file of all roles without a word', async () => {
    mkdirSync(join(folder, 'conf'), { recursive: true })
    writeFileSync(join(folder, 'conf', 'goosefs-site.properties'), 'goosefs.worker.network.reader.buffer.size=8MB\n')
    expect((await run(['fs', 'ls', '/', nobody], { env })).stderr).not.toContain('warning')
  })

  it('--version says the version, and the commit where it is known', async () => {
    for (const words of [['--version'], ['fs', '--help']]) expect((await run(words, { env })).code).toBe(0)
    const { stdout, stderr } = await run(['--version'], { env })
    expect([stdout.replace(/ \([0-9a-f]{12}\)/, ''), stderr]).toEqual([`skein ${version}\n`, ''])
    if (existsSync(join(root, 'dist/commit')))
      expect(stdout).toContain(readFileSync(join(root, 'dist/commit'), 'utf8').trim())
  })

  describe('as skein and as goosefs', () => {
    const installed = join(folder, 'installed')
    beforeAll(() => {
      // As npm installs it: no symbolic links inside of it, and one in a directory of commands.
      for (const file of [...Object.values(bin), 'dist', 'package.json', 'tsconfig.json', 'tsconfig.build.json'])
        cpSync(join(root, file), join(installed, file), { recursive: true })
      mkdirSync(join(installed, 'src'))
      symlinkSync(join(root, 'node_modules'), join(installed, 'node_modules'))
      const later = new Date(Date.now() + 60_000)
      utimesSync(join(installed, 'dist/cli/main.js'), later, later)
      mkdirSync(join(folder, 'bin'))
      for (const [name, file] of Object.entries(bin)) symlinkSync(join(installed, file), join(folder, 'bin', name))
    })

    it('is a file in the package, since npm leaves out links', () => {
      for (const file of Object.values(bin)) expect(lstatSync(join(root, file)).isFile(), file).toBe(true)
    })

    const callOf =
      (name: string) =>
      (...words: string[]) =>
        spawnSync(join(folder, 'bin', name), words, { env: childEnvironment(env), encoding: 'utf8', timeout: 60_000 })

    it.each(Object.keys(bin))('%s', (name) => {
      const call = callOf(name)
      expect(call('--version')).toMatchObject({ status: 0, stdout: expect.stringContaining(version) })
      expect(call('version')).toMatchObject({ status: 0, stdout: expect.stringContaining(version) })
      expect(call('nonsense')).toMatchObject({ status: 64 })
      expect(
        execFileSync('bash', ['-c', `cd / && exec "${join(folder, 'bin', name)}" --version`], { encoding: 'utf8' }),
      ).toContain(version)
    })

    it.each(['skein', 'goosefs'])('%s has all commands', (name) => {
      const call = callOf(name)
      expect(call('getConf', 'goosefs.master.rpc.port')).toMatchObject({ status: 0, stdout: '9200\n', stderr: '' })
      expect(call('fs', 'ls', '/', nobody)).toMatchObject({
        status: 1,
        // Programs that call `goosefs` read there what went wrong.
        stdout: name === 'skein' ? '' : expect.stringMatching(/^cannot reach the master at [^\n]+\n$/),
        stderr: expect.stringMatching(/^skein: /),
      })
      expect(call('--help')).toMatchObject({ status: 0, stdout: expect.stringContaining('getConf') })
      expect(call('--help').stdout).toContain(`Usage: ${name} `)
    })

    it('goosefs-fuse has the commands of mounts', () => {
      const call = callOf('goosefs-fuse')
      expect(call('--help')).toMatchObject({ status: 0, stdout: expect.stringContaining('umount') })
      expect(call('stat')).toMatchObject({ status: 0 })
      expect(call('umount', join(folder, 'none'))).toMatchObject({
        status: 2,
        stderr: expect.stringMatching(/^skein: /),
      })
    })
  })
})
