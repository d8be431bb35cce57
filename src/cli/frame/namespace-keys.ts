// Why: the help of `ns create` and `ns update`, and docs/configuration.md, name all that a
// namespace may be told, from the table that refuses the rest. Pure.
import { storeAttributes, type StoreKey, storeSecrets } from '../../ufs/store-keys.ts'

/** The attributes and the secrets, one a line, with the stores that know them. */
export function namespaceKeysText(): string {
  return `\nAttributes:\n${lines(storeAttributes)}\n\nSecrets (encrypted, never shown):\n${lines(storeSecrets)}\n`
}

function lines(table: Readonly<Record<string, StoreKey>>): string {
  return Object.entries(table)
    .map(([key, { kinds, doc }]) => `  ${key}\n      ${kinds.length === 3 ? '' : `${kinds.join(', ')}: `}${doc}`)
    .join('\n')
}

/** The same as markdown tables; ends in a newline. */
export function documentNamespaceKeys(): string {
  return [
    '### Attributes of namespaces\n\nSet with `--attribute key=value` of `ns create` and `ns update`.\n\n' +
      markdownTable(storeAttributes),
    '### Secrets of namespaces\n\nSet with `--secret-file key=path`, `--secret-stdin` or `--secret key=value`.\n\n' +
      markdownTable(storeSecrets),
  ].join('\n')
}

function markdownTable(keys: Readonly<Record<string, StoreKey>>): string {
  const rows = Object.entries(keys).map(
    ([key, { kinds, doc }]) => `| \`${key}\` | ${kinds.join(', ')} | ${doc.replaceAll('|', '\\|')} |\n`,
  )
  return `| key | stores | meaning |\n|---|---|---|\n${rows.join('')}`
}
