// Why: `skein worker --help` must say what a worker can be told. How: from the table of keys, so
// that it cannot drift. Pure.
import type { KeyDefinition, KeyTable } from '../config/keys/key-definition.ts'
import { schema } from '../config/keys/schema.ts'

/** The keys that a role reads, one a line, with their defaults. */
export function roleKeysText(role: string): string {
  const keys = Object.entries<KeyDefinition>(schema satisfies KeyTable).filter(([, { scope, unused }]) => {
    return unused !== true && (role === 'local' || scope === role || scope === 'all' || scope === 'roles')
  })
  const lines = keys.map(([key, { doc, default: usual, localDefault, defaultDoc = 'none' }]) => {
    const value = (role === 'local' ? localDefault : undefined) ?? usual ?? defaultDoc
    return `  ${key}\n      ${doc.replaceAll('`', '')} (default: ${value.replaceAll('`', '')})`
  })
  return `\nKeys (-Dkey=value, a site file, or the environment: GOOSEFS_MASTER_HOSTNAME):\n${lines.join('\n')}\n`
}
