// Why: what is said of namespaces. Pure. Values of secrets never reach this side; only their names
// do.
import { namedNamespace } from '../../base/paths.ts'
import type { NamespaceInfo } from '../../wire/generated/master.ts'
import { formatDate } from './format-file.ts'
import { printable } from '../frame/printable.ts'

/** `ns ls`: a heading and a line a namespace. */
export function namespaceListText(namespaces: readonly NamespaceInfo[]): string {
  const width = Math.max(9, ...namespaces.map(({ name }) => name.length)) + 2
  const rows = namespaces.map(({ name, uri }) => `${namedNamespace(name).padEnd(width)}${uri}`)
  return [`${'NAMESPACE'.padEnd(width)}URI`, ...rows].join('\n')
}

/** `ns stat`: one `name: value` a line; secrets as `******`, and which of them are lost. */
export function namespaceStatText(namespace: NamespaceInfo): string {
  const lost = new Set(namespace.lost?.names)
  const attributes = Object.entries(namespace.attributes).sort(([a], [b]) => (a < b ? -1 : 1))
  return [
    `Namespace: ${namedNamespace(namespace.name)}`,
    `Path: /${namespace.name}`,
    `URI: ${namespace.uri}`,
    `Created: ${formatDate(namespace.createdMs)}`,
    `TTL: ${namespace.ttlMs > 0 ? `${namespace.ttlMs} ms, then ${namespace.ttlAction}` : 'none'}`,
    ...attributes.map(([key, value]) => `Attribute: ${key}=${value}`),
    ...namespace.secretNames
      .toSorted()
      .map((name) => `Secret: ${name}=${lost.has(name) ? 'lost, set it again' : '******'}`),
  ].join('\n')
}

/** The namespaces as a JSON document of mounts has them. */
export function mountsOf(namespaces: readonly NamespaceInfo[]): (NamespaceInfo & { readonly path: string })[] {
  return namespaces.map((one) => ({ ...one, path: `/${one.name}` }))
}

/**
 * `fs mount`: a line a namespace, both columns as wide as their widest; secrets as `******`. A
 * store says neither how large it is nor how full. Source of the shape: Alluxio 2.9's
 * UfsCommand.printMountInfo.
 */
export function mountTableText(namespaces: readonly NamespaceInfo[]): string {
  const uriWidth = Math.max(0, ...namespaces.map(({ uri }) => printable(uri).length))
  const pathWidth = Math.max(0, ...namespaces.map(({ name }) => name.length + 1))
  return namespaces
    .map((namespace) => {
      const { name, uri, attributes, secretNames } = namespace
      const readOnly = attributes['readOnly']?.toLowerCase() === 'true' ? 'read-only' : 'not read-only'
      const pairs = [...Object.entries(attributes), ...secretNames.map((secret) => [secret, '******'] as const)]
      const properties = pairs
        .toSorted(([a], [b]) => (a < b ? -1 : 1))
        .map(([key, value]) => `${key}=${value}`)
        .join(', ')
      const about =
        `(${uri.split(':', 1)[0] ?? ''}, capacity=-1B, used=-1B, ` +
        `${readOnly}, not shared, properties={${properties}})`
      return `${printable(uri).padEnd(uriWidth)}  on  ${`/${name}`.padEnd(pathWidth)}  ${printable(about)}`
    })
    .join('\n')
}
