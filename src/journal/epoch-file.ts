// Why: an epoch must never be given twice, also when a power loss comes right after it was given.
// How: one small file, replaced whole (write beside, sync, rename, sync the directory).
import { join } from 'node:path'
import { crc32 } from 'node:zlib'
import { z } from 'zod'
import { SkeinError } from '../base/errors.ts'
import type { JournalFileSystem } from './file-system.ts'

const fileName = 'epoch'
const partName = 'epoch.part'
const shape = z.object({ epoch: z.string().regex(/^\d{1,20}$/), id: z.string(), crc: z.number() })

/** The last epoch given, 0n when there is none. @throws SkeinError data_loss when the file is damaged */
export async function readEpoch(fileSystem: JournalFileSystem, directory: string): Promise<bigint> {
  const names = await fileSystem.names(directory)
  if (!names.includes(fileName)) return 0n
  const file = await fileSystem.open(join(directory, fileName))
  try {
    const { epoch, id, crc } = shape.parse(JSON.parse(Buffer.from(await file.readAll()).toString('utf8')))
    if (crc32(`${epoch} ${id}`) !== crc) throw new Error('the checksum does not match')
    return BigInt(epoch)
  } catch (thrown) {
    throw new SkeinError('data_loss', `${join(directory, fileName)} is damaged: restore it from a backup`, { cause: thrown })
  } finally {
    await file.close()
  }
}

/** Makes `epoch` the last one given, durably. `id` names who got it. */
export async function writeEpoch(fileSystem: JournalFileSystem, directory: string, epoch: bigint, id: string): Promise<void> {
  const part = join(directory, partName)
  if ((await fileSystem.names(directory)).includes(partName)) await fileSystem.remove(part)
  const file = await fileSystem.create(part)
  try {
    const text = JSON.stringify({ epoch: epoch.toString(), id, crc: crc32(`${epoch} ${id}`) })
    await file.write(Buffer.from(text, 'utf8'), 0)
    await file.sync()
  } finally {
    await file.close()
  }
  await fileSystem.rename(part, join(directory, fileName))
  await fileSystem.syncDirectory(directory)
}
