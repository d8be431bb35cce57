// Why: one table of all configuration keys, so that the loader, the documentation and the tuning
// rules always agree. How: the groups are in keys-*.ts. Names with `{x}` are patterns for tier
// numbers.
import type { KeyDefinition, KeyTable } from './key-definition.ts'
import { clusterKeys } from './keys-cluster.ts'
import { fuseKeys } from './keys-fuse.ts'
import { gatewayKeys } from './keys-gateway.ts'
import { loadKeys } from './keys-load.ts'
import { processKeys } from './keys-process.ts'
import { storageKeys, unusedKeys } from './keys-storage.ts'
import { underStoreKeys } from './keys-under-store.ts'

export const schemaGroups = {
  'Roles and addresses': { ...processKeys, ...clusterKeys },
  'Reading and loading': { ...underStoreKeys, ...loadKeys },
  Cache: storageKeys,
  Doors: { ...gatewayKeys, ...fuseKeys },
  'Accepted and not used': unusedKeys,
} as const satisfies Readonly<Record<string, KeyTable>>

export const schema = {
  ...processKeys,
  ...clusterKeys,
  ...underStoreKeys,
  ...loadKeys,
  ...storageKeys,
  ...gatewayKeys,
  ...fuseKeys,
  ...unusedKeys,
} as const satisfies KeyTable
export type KeyName = keyof typeof schema

const levelPattern = /^(goosefs\.worker\.tieredstore\.level)\d{1,2}(\..+)$/

/** The definition of a key, patterns included; undefined for an unknown key. */
export function definitionOf(name: string): KeyDefinition | undefined {
  const table: KeyTable = schema
  const pattern = name.replace(levelPattern, '$1{x}$2')
  return Object.hasOwn(table, pattern) && !name.includes('{x}') ? table[pattern] : undefined
}

/**
 * The known key with the smallest edit distance to `name`. Tier patterns use the number in `name`,
 * or 0.
 */
export function nearestKey(name: string): string {
  const level = /level(\d{1,2})\b/.exec(name)?.[1] ?? '0'
  const wanted = name.slice(0, 200)
  let nearest = ''
  let least = Number.POSITIVE_INFINITY
  for (const key of Object.keys(schema)) {
    const candidate = key.replace('{x}', level)
    const distance = editDistance(wanted.toLowerCase(), candidate.toLowerCase(), least)
    if (distance < least) {
      least = distance
      nearest = candidate
    }
  }
  return nearest
}

/** Levenshtein distance. Returns Infinity as soon as it cannot be below `limit`. */
function editDistance(a: string, b: string, limit: number): number {
  if (Math.abs(a.length - b.length) >= limit) return Number.POSITIVE_INFINITY
  let row = Array.from({ length: b.length + 1 }, (_, index) => index)
  for (let i = 1; i <= a.length; i += 1) {
    const next = [i]
    for (let j = 1; j <= b.length; j += 1) {
      const substitute = (row[j - 1] ?? 0) + (a[i - 1] === b[j - 1] ? 0 : 1)
      next.push(Math.min(substitute, (row[j] ?? 0) + 1, (next[j - 1] ?? 0) + 1))
    }
    row = next
  }
  return row[b.length] ?? 0
}
