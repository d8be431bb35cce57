// Why: help that is written by hand drifts from what is accepted. Here each table that decides is
// held against what the help shows.
import { globSync, readFileSync } from 'node:fs'
import { describe, expect, it } from 'vitest'
import type { KeyDefinition } from '../../../src/config/keys/key-definition.ts'
import { schema } from '../../../src/config/keys/schema.ts'
import { checkStoreKeys, storeAttributes, storeSecrets } from '../../../src/ufs/store-keys.ts'
import { run } from './support/harness.ts'

describe('help', () => {
  it.each(['create', 'update'])(
    'of ns %s has every attribute and every secret, with what it means',
    async (command) => {
      const { code, stdout } = await run(['ns', command, '--help'])
      expect(code).toBe(0)
      const [attributes = '', secrets = ''] = stdout.slice(stdout.indexOf('\nAttributes:')).split('\nSecrets')
      for (const [key, { doc }] of Object.entries(storeAttributes)) expect(attributes).toMatch(entry(key, doc))
      for (const [key, { doc }] of Object.entries(storeSecrets)) expect(secrets).toMatch(entry(key, doc))
      expect(attributes).toContain('s3.endpoint\n      s3: ')
    },
  )

  it('has what is accepted: the same table decides, and the code reads no other attribute', () => {
    for (const kind of ['cosn', 's3', 'file'] as const) {
      const of = (table: typeof storeAttributes): Record<string, string> =>
        Object.fromEntries(
          Object.entries(table).flatMap(([key, { kinds }]) => (kinds.includes(kind) ? [[key, 'x']] : [])),
        )
      expect(() => checkStoreKeys(kind, of(storeAttributes), of(storeSecrets))).not.toThrow()
    }
    expect(() => checkStoreKeys('file', { 's3.region': 'x' }, {})).toThrow('is not a known attribute of file stores')
    expect(() => checkStoreKeys('s3', { 's3.sessionToken': 'x' }, {})).toThrow('is a secret')
    expect(() => checkStoreKeys('s3', {}, { 's3.region': 'x' })).toThrow('is not a secret')
    const read = globSync('src/{ufs,cache-master,cache-worker,job-master,job-worker}/**/*.ts').flatMap((file) =>
      [...readFileSync(file, 'utf8').matchAll(/\battributes(?:\[|, )'([^']+)'/g)].map(([, key = '']) => key),
    )
    expect(read.length).toBeGreaterThan(15)
    for (const key of read) expect(Object.keys(storeAttributes)).toContain(key)
  })

  it.each(['master', 'worker', 'job-master', 'job-worker', 'local'])(
    "of %s has the keys that it reads, and no other role's",
    async (role) => {
      const { code, stdout } = await run([role, '--help'])
      expect(code).toBe(0)
      for (const [key, { scope, unused }] of Object.entries<KeyDefinition>(schema)) {
        const isRead = unused !== true && (role === 'local' || [role, 'all', 'roles'].includes(scope))
        expect(stdout.includes(`  ${key}\n`), key).toBe(isRead)
      }
      expect(stdout).toContain('GOOSEFS_MASTER_HOSTNAME')
    },
  )

  it('of the program has no keys, and names every group and role', async () => {
    const { stdout } = await run(['--help'])
    for (const word of ['fs', 'ns', 'job', 'schedule', 'fsadmin', 'getConf', 'version', 'worker', 'local', '--version'])
      expect(stdout).toContain(word)
    expect(stdout).not.toContain('goosefs.worker.')
  })
})

function entry(key: string, doc: string): RegExp {
  const [escapedKey, escapedDoc] = [key, doc].map((text) => text.replaceAll(/[.*+?^${}()|[\]\\]/g, '\\$&'))
  return new RegExp(`\\n  ${escapedKey}\\n      (?:[a-z0-9, ]+: )?${escapedDoc}`)
}
