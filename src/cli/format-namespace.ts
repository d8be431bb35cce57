// Why: what is said of namespaces. Pure. Values of secrets never reach this side; only their names do.
import type { NamespaceInfo } from '../wire/generated/master.ts'
import { formatDate } from './format-file.ts'

/** `ns ls`: a heading and a line a namespace. */
export function namespaceListText(namespaces: readonly NamespaceInfo[]): string {
  const width = Math.max(9, ...namespaces.map(({ name }) => name.length)) + 2
  return [`${'NAMESPACE'.padEnd(width)}URI`, ...namespaces.map(({ name, uri }) => `${name.padEnd(width)}${uri}`)].join('\n')
}

/** `ns stat`: one `name: value` a line; secrets as `******`. */
export function namespaceStatText(namespace: NamespaceInfo): string {
  const attributes = Object.entries(namespace.attributes).sort(([a], [b]) => (a < b ? -1 : 1))
  return [
    `Namespace: ${namespace.name}`,
    `Path: /${namespace.name}`,
    `URI: ${namespace.uri}`,
    `Created: ${formatDate(namespace.createdMs)}`,
    `TTL: ${namespace.ttlMs > 0 ? `${namespace.ttlMs} ms, then ${namespace.ttlAction}` : 'none'}`,
    ...attributes.map(([key, value]) => `Attribute: ${key}=${value}`),
    ...namespace.secretNames.toSorted().map((name) => `Secret: ${name}=******`),
  ].join('\n')
}
