// Why: what is recommended follows from the sizes of the files below a path, and there may be
// millions. How: the listing is gone through page by page; only a histogram is kept.
import type { FileSystem } from '../../client/file-system.ts'
import { SizeHistogram } from '../../tuning/size-histogram.ts'
import type { CommandContext } from '../frame/context.ts'
import { printable } from '../frame/printable.ts'

const lineEveryMs = 5000

/** Reports progress and unusable entries on stderr. @throws SkeinError those of FileSystem.list */
export async function listedSizes(
  { clock, io, signal }: Pick<CommandContext, 'clock' | 'io' | 'signal'>,
  files: Pick<FileSystem, 'list'>,
  path: string,
): Promise<SizeHistogram> {
  const sizes = new SizeHistogram()
  let nextLineMs = clock.monotonicMs() + lineEveryMs
  const onUnusable = ({ total }: { readonly total: number }): void =>
    io.stderr(`skein: ${total} entries below ${printable(path)} cannot be files and are left out\n`)
  for await (const page of files.list(path, { recursive: true, signal, onUnusable })) {
    for (const { kind, length } of page) if (kind === 'file') sizes.add(length)
    if (clock.monotonicMs() < nextLineMs) continue
    io.stderr(`${sizes.files} files listed\n`)
    nextLineMs = clock.monotonicMs() + lineEveryMs
  }
  return sizes
}
