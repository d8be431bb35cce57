// Why: a profile that does not load is worse than none.
import { readdirSync, readFileSync } from 'node:fs'
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

  it('are those that tuning/make-profiles.sh makes', () => {
    const script = readFileSync(join(folder, '../make-profiles.sh'), 'utf8')
    for (const name of profileNames()) expect(script).toMatch(new RegExp(`\\n    ${name}\\)\\n`))
    expect(profileNames()).toHaveLength(6)
  })

  it.each(readdirSync(folder))('%s loads, keeps the rules of tuning and changes something', (name) => {
    // The smallest machine that it is for.
    const memoryBytes = name.startsWith('low-memory') ? 512 * 1024 ** 2 : 2 * 1024 ** 3
    const machine = { homeDirectory: '/n', hostname: 'h', cpus: 2, cwd: '/', memoryBytes }
    const definitions = { 'skein.profile': join(folder, name) }
    const config = loadConfig({ mode: 'role', definitions, environment: {}, machine })
    expect([...config.sources.values()].filter((source) => source.layer === 'profile').length).toBeGreaterThan(3)
    expect(config.warnings).toEqual([])
    expect(config.brokenRules).toEqual([])
    expect(readFileSync(join(folder, name), 'utf8')).toMatch(/^# [^\n]+\n# [^\n]+\n/)
  })
})
