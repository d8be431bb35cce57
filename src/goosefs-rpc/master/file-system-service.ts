// Why: a client of GooseFS reaches all that is done with files in one service of the master. How:
// its handlers by what they do.
import type { LifecycleServiceDefinition } from '../../wire/generated/lifecycle.ts'
import type { MasterServiceDefinition } from '../../wire/generated/master.ts'
import type { StreamMethod } from '../../wire/rpc/grpc-streams.ts'
import type { Service } from '../../wire/service.ts'
import { FileSystemMasterClientServiceDefinition } from '../generated/goosefs/files.ts'
import { nativeService, type NativeServiceParts } from '../native-service.ts'
import { writingHandlers, type WritingParts } from './file-writing-handlers.ts'
import { namespaceHandlers, type NamespaceParts } from './namespace-handlers.ts'
import { pathHandlers } from './path-handlers.ts'

export type FileSystemParts = Omit<WritingParts, 'master' | 'lifecycle'> &
  Pick<NamespaceParts, 'isSecret'> & {
    readonly master: Service<typeof MasterServiceDefinition>
    readonly lifecycle: Service<typeof LifecycleServiceDefinition>
  }

export function fileSystemService(files: FileSystemParts, parts: NativeServiceParts): StreamMethod[] {
  return nativeService(
    FileSystemMasterClientServiceDefinition,
    { ...pathHandlers(files), ...namespaceHandlers(files), ...writingHandlers(files) },
    parts,
  )
}
