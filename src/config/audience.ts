// Why: a key that only servers read has no effect on a command, but its user expects one. How: each
// key's definition has a scope. Site files and the environment are shared by all processes on a
// host, so only -D is checked. Pure.
import type { ConfigMode } from './config.ts'
import type { KeyDefinition, KeyScope } from './keys/key-definition.ts'
import type { Setting } from './layers.ts'
import { definitionOf } from './keys/schema.ts'

/** Which processes a value is for. */
export type Audience = 'client' | 'server' | 'both'

const audiences: Readonly<Record<KeyScope, Audience>> = {
  all: 'both',
  client: 'client',
  roles: 'server',
  master: 'server',
  worker: 'server',
  'job-master': 'server',
  'job-worker': 'server',
  gateway: 'server',
}

const places: Readonly<Record<KeyScope, string>> = {
  all: '',
  client: '',
  roles: 'the roles',
  master: 'the master',
  worker: 'the workers',
  'job-master': 'the job master',
  'job-worker': 'the job workers',
  gateway: 'the gateway',
}

export function audienceOf({ scope }: KeyDefinition): Audience {
  return audiences[scope]
}

export interface Sorted {
  /**
   * The settings without the -D settings of a command that are for servers. The servers check the
   * rules between those keys.
   */
  readonly effective: Map<string, Setting>
  /** One line per removed setting. */
  readonly warnings: readonly string[]
}

/** Removes the keys of servers that were passed to a command with -D. */
export function forMode(settings: ReadonlyMap<string, Setting>, mode: ConfigMode): Sorted {
  const effective = new Map(settings)
  const warnings: string[] = []
  for (const [key, { layer, where }] of settings) {
    const definition = definitionOf(key)
    if (mode !== 'client' || layer !== 'flag' || definition === undefined || definition.unused === true) continue
    if (audienceOf(definition) !== 'server') continue
    effective.delete(key)
    const place = places[definition.scope]
    warnings.push(
      `${where}: ${key} has no effect on a command: set it for ${place}, in their site file or at their start`,
    )
  }
  return { effective, warnings }
}
