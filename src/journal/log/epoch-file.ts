// Why: an epoch must never be issued twice, even if a power loss follows at once. How: one small
// file that is replaced atomically.
import { join } from 'node:path'
import { crc32 } from 'node:zlib'
import { z } from 'zod'
import { SkeinError } from '../../base/errors.ts'
import type { JournalFileSystem } from '../disk/journal-files.ts'
import { readText, replaceFile } from '../disk/replace-file.ts'

const fileName = 'epoch'
const shape = z.object({ epoch: z.string().regex(/^\d{1,20}$/), id: z.string(), crc: z.number() })

/**
 * The last issued epoch; 0n if there is none.
 * @throws SkeinError data_loss when the file is damaged
 */
export async function readEpoch(fileSystem: JournalFileSystem, directory: string): Promise<bigint> {
  const text = await readText(fileSystem, join(directory, fileName))
  if (text === undefined) return 0n
  try {
    const { epoch, id, crc } = shape.parse(JSON.parse(text))
    if (crc32(`${epoch} ${id}`) !== crc) throw new Error('the checksum does not match')
    return BigInt(epoch)
  } catch (thrown) {
    throw new SkeinError('data_loss', `${join(directory, fileName)} is damaged: restore it from a backup`, {
      cause: thrown,
    })
  }
}

/** Durably stores `epoch` as the last issued one. `id` names its owner. */
export async function writeEpoch(
  fileSystem: JournalFileSystem,
  directory: string,
  epoch: bigint,
  id: string,
): Promise<void> {
  await replaceFile(
    fileSystem,
    join(directory, fileName),
    JSON.stringify({ epoch: epoch.toString(), id, crc: crc32(`${epoch} ${id}`) }),
  )
}
