// Why: a listing of `/` shows the content of the root mount and the namespaces in one order. How:
// the namespaces divide the content of the root mount into pieces.
import { compareKeys } from '../../meta/edge-order.ts'
import type { NamespaceRecord, Tables } from '../../meta/meta-tables.ts'
import { hiddenByNamespaces, rootMount } from '../../meta/resolve-path.ts'

/** The root mount, where something of it can be in the range. */
export function shownRoot(tables: Tables, { prefix }: { readonly prefix: string }): NamespaceRecord | undefined {
  const root = rootMount(tables)
  const isHidden = root !== undefined && prefix.includes('/') && hiddenByNamespaces(tables, root.rootId)?.(prefix)
  return isHidden === true ? undefined : root
}

/** The namespaces in the order of the keys below `/`, and at the end none. */
export function piecesOfRoot(tables: Tables): { readonly record?: NamespaceRecord; readonly key?: string }[] {
  const named = [...tables.namespaces()].filter(({ name }) => name !== '')
  const pieces = named.map((record) => ({ record, key: `${record.name}/` }))
  return [...pieces.sort((a, b) => compareKeys(a.key, b.key)), {}]
}
