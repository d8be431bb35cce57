// Why: the root mount has a default in `skein local` only, which `file://` namespaces need not be
// allowed for.
import { isAbsolute, resolve as resolvePath } from 'node:path'
import type { ConfigMode, RootMountConfig } from './config.ts'
import type { Values } from './values.ts'

/** In the home of `skein local`. */
const rootDirectory = 'root'

export function rootOf(values: Values, home: string, mode: ConfigMode): RootMountConfig | undefined {
  const key = 'goosefs.master.mount.table.root.ufs'
  if (!values.given(key)) {
    if (mode !== 'local') return undefined
    const directory = resolvePath(home, rootDirectory)
    return { uri: `file://${directory}`, directory }
  }
  const text = values.text(key)?.trim() ?? ''
  if (text === '' || text === 'none') return undefined
  return { uri: text.startsWith('/') ? `file://${text}` : text, directory: undefined }
}

/** The directories that `file://` stores may use: what the key names, and the default's own. */
export function fileRootsOf(values: Values, root: RootMountConfig | undefined): readonly string[] {
  const roots = values.words('skein.ufs.file.roots') ?? []
  const wrong = roots.find((one) => !isAbsolute(one))
  if (wrong !== undefined)
    throw values.error('skein.ufs.file.roots', `'${wrong}' is not an absolute path: begin it with /`)
  return [...roots.map((one) => resolvePath(one)), ...(root?.directory === undefined ? [] : [root.directory])]
}
