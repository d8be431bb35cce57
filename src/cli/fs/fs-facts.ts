// Why: `skein fs checksum | getfacl`: what scripts compare files by, and who may read them. Shapes:
// Alluxio 2.9's ChecksumCommand and GetFaclCommand.
import { createHash } from 'node:crypto'
import type { Command } from 'commander'
import { fileBytes } from '../../client/file-bytes.ts'
import { fileDocumentOf } from '../format/file-document.ts'
import { aclLines } from '../format/format-file.ts'
import { type CommandContext, openFiles, writeResult } from '../frame/context.ts'

export function addCommands(parent: Command, context: CommandContext): void {
  const pathText = '/namespace/dir/file or gfs://host:port/namespace/dir/file'
  parent
    .command('checksum')
    .description("print the MD5 of a file's bytes")
    .argument('<path>', pathText)
    .action(async (text: string) => {
      const { path, files } = await openFiles(context, text)
      const hash = createHash('md5')
      for await (const chunk of fileBytes(files, path, context.signal)) hash.update(chunk)
      const md5 = hash.digest('hex')
      writeResult(context, { path, md5 }, `md5sum: ${md5}`)
    })
  parent
    .command('getfacl')
    .description('print the permission bits of a file or directory as access control list')
    .argument('<path>', pathText)
    .action(async (text: string) => {
      const { path, files } = await openFiles(context, text)
      const file = fileDocumentOf(await files.details(path, { signal: context.signal }))
      const { owner, group, mode } = file
      writeResult(context, { path: file.path, owner, group, mode }, aclLines(file))
    })
}
