// Why: a client of GooseFS reaches all that is done with files in one service of the master. How:
// its handlers by what they do.
import type { StreamMethod } from '../../wire/rpc/grpc-streams.ts'
import { FileSystemMasterClientServiceDefinition } from '../generated/goosefs/files.ts'
import { nativeService, type NativeServiceParts } from '../native-service.ts'
import { writingHandlers, type WritingParts } from './file-writing-handlers.ts'

export type FileSystemParts = WritingParts

export function fileSystemService(files: FileSystemParts, parts: NativeServiceParts): StreamMethod[] {
  return nativeService(FileSystemMasterClientServiceDefinition, { ...writingHandlers(files) }, parts)
}
