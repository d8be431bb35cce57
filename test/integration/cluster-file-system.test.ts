// Why: what doors and programs rely on must hold on a real cluster, whose master, worker and store
// are behind a network. How: the conformance suite of file systems, on all of Skein in one process.
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { connectCluster } from '../../src/client/connect.ts'
import { loadConfig } from '../../src/config/read-config.ts'
import { fileSystemSuite, type FileSystemUnderTest } from '../conformance/support/file-system.ts'
import { startChild } from '../support/child.ts'
import { freePortProperties } from '../support/local-skein.ts'

fileSystemSuite('of a cluster', () => clusterWith('ns'))
fileSystemSuite('of the root mount of a cluster', () => clusterWith(''))

async function clusterWith(namespace: string): Promise<FileSystemUnderTest> {
  const folder = mkdtempSync(join(tmpdir(), 'skein-file-system-'))
  const home = join(folder, 'home')
  const store = join(folder, 'store')
  const noRoot = { 'goosefs.master.mount.table.root.ufs': 'none' }
  for (const path of [home, store]) mkdirSync(path)
  const definitions = { ...freePortProperties, 'skein.home': home, 'skein.ufs.file.roots': store, ...noRoot }
  const script = join(import.meta.dirname, '../torture/support/written-files-child.ts')
  const logFile = join(folder, 'local.log')
  const child = startChild(process.execPath, [script, JSON.stringify(definitions)], { logFile })
  await child.line((line) => (line.startsWith('{"ready"') ? line : undefined), 40_000)
  const cluster = connectCluster(loadConfig({ mode: 'client', definitions: { 'skein.home': home }, environment: {} }))
  const { signal } = new AbortController()
  await cluster
    .master()
    .createNamespace(
      { name: namespace === '' ? '/' : namespace, uri: `file://${store}`, attributes: {}, secrets: {} },
      { signal },
    )
  return {
    fileSystem: cluster.files,
    namespace,
    close: async () => {
      await cluster.files.close()
      await child.end('SIGKILL')
      rmSync(folder, { recursive: true, force: true })
    },
  }
}
