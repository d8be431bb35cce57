import { MemoryFileSystem } from '../support/memory-file-system.ts'
import { fileSystemSuite } from './support/file-system.ts'

fileSystemSuite('in memory', async () => {
  const fileSystem = new MemoryFileSystem({ nowMs: () => 1_700_000_000_000 }, ['one', 'two'])
  return { fileSystem, namespace: 'one', close: () => fileSystem.close() }
})

fileSystemSuite('in memory, of the root mount', async () => {
  const fileSystem = new MemoryFileSystem({ nowMs: () => 1_700_000_000_000 }, ['', 'one', 'two'])
  return { fileSystem, namespace: '', close: () => fileSystem.close() }
})
