import { describe, expect, it } from 'vitest'
import { audienceOf } from '../../../src/config/audience.ts'
import type { KeyDefinition } from '../../../src/config/keys/key-definition.ts'
import { loadConfig } from '../../../src/config/read-config.ts'
import { schema } from '../../../src/config/keys/schema.ts'

const machine = { homeDirectory: '/no-home', hostname: 'box', cpus: 4, cwd: '/somewhere' }
const warningsOf = (
  definitions: Record<string, string>,
  mode: 'client' | 'role' | 'local' = 'client',
  environment: Record<string, string> = {},
) => loadConfig({ mode, definitions, environment, machine }).warnings

describe('who a key is for', () => {
  it('is known of every key, and each audience has some', () => {
    const audiences = Object.values<KeyDefinition>(schema).map(audienceOf)
    expect(new Set(audiences)).toEqual(new Set(['client', 'server', 'both']))
  })

  it('every key of users is for commands, and no key of a role alone is', () => {
    for (const [key, definition] of Object.entries<KeyDefinition>(schema)) {
      if (definition.unused === true) continue
      if (key.startsWith('goosefs.user.')) expect(audienceOf(definition), key).not.toBe('server')
      if (
        /^(goosefs|skein)\.(worker|master|job\.\w+)\./.test(key) &&
        !/^goosefs\.(master\.(hostname|rpc)|worker\.hostname)/.test(key)
      )
        expect(audienceOf(definition), key).toBe('server')
    }
  })

  it('a key of servers that is given to a command says where it belongs, in one line', () => {
    expect(warningsOf({ 'goosefs.worker.tieredstore.levels': '2' })).toEqual([
      '-D: goosefs.worker.tieredstore.levels has no effect on a command: set it for the workers, in their site ' +
        'file or at their start',
    ])
    expect(warningsOf({ 'goosefs.worker.tieredstore.level1.dirs.quota': '2GB' })).toHaveLength(1)
    expect(warningsOf({ 'skein.queue.url': 'redis://a' }).join()).toContain('set it for the roles')
    expect(warningsOf({ 'skein.load.task.bytes': '16MB' }).join()).toContain('set it for the job master')
  })

  it('what commands read is not warned of, nor what roles are given, nor what everybody on a host shares', () => {
    expect(
      warningsOf({
        'goosefs.user.block.size.bytes.default': '8MB',
        'skein.load.active.jobs': '7',
        'goosefs.master.hostname': 'm',
      }),
    ).toEqual([])
    for (const mode of ['role', 'local'] as const)
      expect(warningsOf({ 'skein.worker.scrub.rate': '1MB' }, mode)).toEqual([])
    expect(warningsOf({}, 'client', { GOOSEFS_WORKER_DATA_PORT: '1' })).toEqual([])
  })
})
