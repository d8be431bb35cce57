// Why: the state of each version must open in the next ones, as a user who installs an update
// expects. How: test/golden has the home of each release, as a kill left it
// (scripts/golden-home.sh). This version starts on it, and everything is there: what was in a
// snapshot, what was in the journal only, and what only the cache has.
import { spawnSync } from 'node:child_process'
import { readdirSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { LocalSkein } from '../support/local-skein.ts'

const folder = join(import.meta.dirname, '../golden')
const homes = readdirSync(folder).filter((name) => name.endsWith('.tgz'))
/** What the store of the homes had; it is gone. */
const contents: Readonly<Record<string, string>> = {
  'a.txt': 'golden',
  'dir/1': '1'.repeat(100_000),
  'dir/2': '2'.repeat(200_000),
  'dir/3': '3'.repeat(300_000),
  only: 'only in the cache',
}

it('there is a home of a release', () => expect(homes).toContain('0.2.0.tgz'))

describe.each(homes)('the home of %s', (name) => {
  it('opens with everything that was in it', { timeout: 120_000 }, async () => {
    // The store does not exist any more: nothing may be asked of it.
    const skein = new LocalSkein({ properties: { 'goosefs.user.file.metadata.sync.interval': '-1' } })
    try {
      expect(spawnSync('tar', ['-xzf', join(folder, name), '-C', skein.home]).status).toBe(0)
      await skein.start()
      for (const [key, content] of Object.entries(contents)) {
        const read = await skein.cli('fs', 'cat', `/golden/${key}`)
        expect(read, key).toMatchObject({ code: 0, stdout: content })
      }
      const stat = (key: string): Promise<unknown> => skein.json('fs', 'stat', `/golden/${key}`)
      expect(await stat('a.txt')).toMatchObject({ ttlMs: 3650 * 86_400_000, persistenceState: 'PERSISTED' })
      expect(await stat('dir/1')).toMatchObject({ pinned: true })
      expect(await stat('only')).toMatchObject({ persistenceState: 'NOT_PERSISTED' })
      expect((await skein.cli('job', 'ls')).stdout).toMatch(/L1\b.*COMPLETED/)
      expect((await skein.cli('schedule', 'ls')).stdout).toContain('nightly')
      // What it writes from now on is there after the next start, too.
      expect(await skein.cli('fs', 'pin', '/golden/dir/2')).toMatchObject({ code: 0 })
      await skein.stop('SIGTERM')
      await skein.start()
      expect(await stat('dir/2')).toMatchObject({ pinned: true })
      expect(await skein.cli('fsadmin', 'doctor', '--deep')).toMatchObject({ code: 0 })
    } finally {
      await skein.dispose()
    }
  })
})
