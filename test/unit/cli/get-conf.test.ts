// Why: scripts read single values, people read all of them with their places, and neither may read
// a secret.
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, describe, expect, it } from 'vitest'
import { schema } from '../../../src/config/keys/schema.ts'
import { run } from './support/harness.ts'

const canary = 'canary-4711'
const home = mkdtempSync(join(tmpdir(), 'skein-conf-'))
mkdirSync(join(home, 'conf'))
const site = join(home, 'conf', 'goosefs-site.properties')
writeFileSync(site, `# ours\ngoosefs.master.rpc.port=7777\nfs.cosn.userinfo.secretKey=${canary}\n`)
const environment = { SKEIN_HOME: home, GOOSEFS_MASTER_HOSTNAME: 'box-7' }
const conf = (...words: string[]) => run(['getConf', ...words], {}, { environment })

describe('getConf', () => {
  afterAll(() => rmSync(home, { recursive: true, force: true }))

  it('of a key is its bare value', async () => {
    expect(await conf('goosefs.master.rpc.port')).toMatchObject({ code: 0, stdout: '7777\n', stderr: '' })
    expect(await conf('skein.heartbeat.interval')).toMatchObject({ code: 0, stdout: '1s\n' })
    expect(await conf('skein.price.get.per10k')).toMatchObject({ code: 0, stdout: '\n' })
    expect(await conf('goosefs.worker.tieredstore.level3.alias')).toMatchObject({ code: 0, stdout: '\n' })
  })

  it('says where a value comes from: the file and line, the variable, -D, or the default', async () => {
    expect((await conf('goosefs.master.rpc.port', '--source')).stdout).toBe(`7777 (file ${site}:2)\n`)
    expect((await conf('goosefs.master.hostname', '--source')).stdout).toBe('box-7 (env GOOSEFS_MASTER_HOSTNAME)\n')
    expect((await conf('goosefs.master.rpc.port', '--source', '-Dgoosefs.master.rpc.port=8')).stdout).toBe(
      '8 (flag -D)\n',
    )
    expect((await conf('skein.heartbeat.interval', '--source')).stdout).toBe('1s (default)\n')
  })

  it('shows no secret, in whatever form', async () => {
    expect(await conf('fs.cosn.userinfo.secretKey')).toMatchObject({ code: 0, stdout: '[redacted]\n' })
    for (const words of [
      [],
      ['--format', 'json'],
      ['fs.cosn.userinfo.secretKey', '--source'],
      [`-Dfs.cosn.userinfo.secretId=${canary}`],
    ]) {
      const { code, stdout, stderr } = await conf(...words)
      expect([code, stdout.includes('[redacted]')]).toEqual([0, true])
      expect(stdout + stderr).not.toContain(canary)
    }
  })

  it('of an unknown key is a usage error that names the nearest', async () => {
    const { code, stdout, stderr } = await conf('goosefs.master.rpc.prt')
    expect([code, stdout]).toEqual([64, ''])
    expect(stderr).toContain("unknown key 'goosefs.master.rpc.prt'; the nearest known key is 'goosefs.master.rpc.port'")
  })

  it('of no key lists all of them, sorted, each with its place', async () => {
    const { code, stdout } = await conf()
    expect(code).toBe(0)
    const names = stdout
      .trimEnd()
      .split('\n')
      .map((line) => line.split('=')[0] ?? '')
    expect(names).toEqual(names.toSorted())
    const wanted = Object.entries(schema).filter(([key, one]) => !key.includes('{x}') && !('unused' in one))
    expect(names).toEqual(expect.arrayContaining(wanted.map(([key]) => key)))
    expect(stdout).toContain(`goosefs.master.rpc.port=7777 (file ${site}:2)\n`)
  })

  it('in JSON is one document: null where there is no value', async () => {
    const all = JSON.parse((await conf('--format', 'json')).stdout) as {
      values: { key: string; value: string | null; source: string }[]
    }
    expect(all.values.find(({ key }) => key === 'goosefs.master.hostname')).toEqual({
      key: 'goosefs.master.hostname',
      value: 'box-7',
      source: 'env GOOSEFS_MASTER_HOSTNAME',
    })
    expect(all.values.find(({ key }) => key === 'skein.price.get.per10k')?.value).toBeNull()
    expect(JSON.parse((await conf('goosefs.master.rpc.port', '--format', 'json')).stdout)).toMatchObject({
      value: '7777',
    })
  })

  it('of a configuration that is wrong says what is wrong with it', async () => {
    const { code, stderr } = await conf('-Dgoosefs.master.rpc.port=many')
    expect(code).toBe(64)
    expect(stderr).toContain('-D: goosefs.master.rpc.port')
  })
})
