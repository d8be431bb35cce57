// Why: a profile that does not load is worse than none.
import { readdirSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { schema } from '../../../src/config/keys/schema.ts'
import { loadConfig, profileNames } from '../../../src/config/read-config.ts'

const folder = join(import.meta.dirname, '../../../tuning/profiles')

describe('tuning profiles', () => {
  it('are named where the key that takes their names is described', () => {
    expect(profileNames()).toEqual(readdirSync(folder).map((name) => name.replace(/\.properties$/, '')))
    for (const name of profileNames()) expect(schema['skein.profile'].doc).toContain(`\`${name}\``)
  })

  it.each(readdirSync(folder))('%s loads, keeps the rules of tuning and changes something', (name) => {
    const config = loadConfig({ mode: 'role', definitions: { 'skein.profile': join(folder, name) }, environment: {} })
    const { cosn } = config.ufs
    expect([...config.sources.values()].filter((source) => source.layer === 'profile').length).toBeGreaterThan(3)
    expect(config.warnings).toEqual([])
    expect(config.brokenRules).toEqual([])
    expect(cosn.readAheadQueueSize).toBeLessThanOrEqual(cosn.blockSizeBytes / cosn.readAheadBlockBytes)
    expect(config.jobWorker.activeTasksMax).toBeGreaterThan(cosn.uploadThreadPool)
    expect(config.jobWorker.cpuTasksMax).toBeLessThanOrEqual(config.jobWorker.activeTasksMax)
    expect(config.jobWorker.blockStreamsMax).toBe(2 * config.jobWorker.activeTasksMax)
  })
})
