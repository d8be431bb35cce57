// Why: the help of `ns create` and `ns update` names all that a namespace may be told, from the table that refuses the rest. Pure.
import { storeAttributes, type StoreKey, storeSecrets } from '../ufs/store-keys.ts'

/** The attributes and the secrets, one a line, with the stores that know them. */
export function namespaceKeysText(): string {
  return `\nAttributes:\n${lines(storeAttributes)}\n\nSecrets (sealed, never shown):\n${lines(storeSecrets)}\n`
}

function lines(table: Readonly<Record<string, StoreKey>>): string {
  return Object.entries(table)
    .map(([key, { kinds, doc }]) => `  ${key}\n      ${kinds.length === 3 ? '' : `${kinds.join(', ')}: `}${doc}`)
    .join('\n')
}
