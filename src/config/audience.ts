// Why: a key that only a server reads has no effect where it is given to a command, and its user
// waits for one. How: by the scope that each key's definition has. Site files and the environment
// are shared by all who run on a host, so only -D is meant. Pure.
import type { ConfigMode } from './config.ts'
import type { KeyDefinition, KeyScope } from './keys/key-definition.ts'
import type { Setting } from './layers.ts'
import { definitionOf } from './keys/schema.ts'

/** Who a value is for. */
export type Audience = 'client' | 'server' | 'both'

const audiences: Readonly<Record<KeyScope, Audience>> = {
  all: 'both',
  client: 'client',
  roles: 'server',
  master: 'server',
  worker: 'server',
  'job-master': 'server',
  'job-worker': 'server',
}

const places: Readonly<Record<KeyScope, string>> = {
  all: '',
  client: '',
  roles: 'the roles',
  master: 'the master',
  worker: 'the workers',
  'job-master': 'the job master',
  'job-worker': 'the job workers',
}

export function audienceOf({ scope }: KeyDefinition): Audience {
  return audiences[scope]
}

export interface Sorted {
  /**
   * Without what was given to a command and is not for it: its rules with other keys are the
   * servers' to check.
   */
  readonly effective: Map<string, Setting>
  /** One line for each of those. */
  readonly warnings: readonly string[]
}

/** Takes the keys of servers that were given to a command with -D out of its settings. */
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
      `${where}: ${key} has no effect on a command: set it for ${place}, in their site file or where they are started`,
    )
  }
  return { effective, warnings }
}
