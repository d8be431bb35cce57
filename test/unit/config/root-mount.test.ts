import { describe, expect, it } from 'vitest'
import type { ConfigMode } from '../../../src/config/config.ts'
import { loadConfig } from '../../../src/config/read-config.ts'

const key = 'goosefs.master.mount.table.root.ufs'
const machine = { homeDirectory: '/no-home', hostname: 'box', cpus: 4, cwd: '/somewhere' }
const resolved = (mode: ConfigMode, definitions: Record<string, string> = {}) =>
  loadConfig({ mode, definitions: { 'skein.home': '/h', ...definitions }, environment: {}, machine })

describe('the root mount', () => {
  it('is a directory of the home under skein local, which no list of directories need name', () => {
    const { master, ufs } = resolved('local', { 'skein.ufs.file.roots': '/data' })
    expect(master.root).toEqual({ uri: 'file:///h/root', directory: '/h/root' })
    expect(ufs.fileRoots).toEqual(['/data', '/h/root'])
  })

  it('is nothing elsewhere, and where the key says so', () => {
    expect(resolved('role').master.root).toBeUndefined()
    for (const text of ['', 'none', ' none ']) {
      const { master, ufs } = resolved('local', { [key]: text, 'skein.ufs.file.roots': '/data' })
      expect([master.root, ufs.fileRoots]).toEqual([undefined, ['/data']])
    }
  })

  it('is what the key says, a URI or a directory', () => {
    for (const mode of ['local', 'role'] as const) {
      expect(resolved(mode, { [key]: 's3://b/p' }).master.root).toEqual({ uri: 's3://b/p', directory: undefined })
      expect(resolved(mode, { [key]: '/mnt/x' }).master.root?.uri).toBe('file:///mnt/x')
    }
  })
})
