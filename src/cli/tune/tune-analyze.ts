// Why: `skein tune analyze`: the sizes of the files below a path.
import { percentileErrorMax } from '../../tuning/size-histogram.ts'
import { type CommandContext, openTarget, writeResult } from '../frame/context.ts'
import { printable } from '../frame/printable.ts'
import { localUri } from '../fs/local-path.ts'
import { listedSizes } from './listed-sizes.ts'
import { newFile } from './new-file.ts'
import { histogramSvg } from './size-histogram-svg.ts'
import { histogramText } from './size-histogram-text.ts'

/** Rows of the histogram in JSON: one per power of two. */
const allRows = 64

export async function analyze(
  context: CommandContext,
  text: string,
  { svg, overwrite }: { readonly svg?: string; readonly overwrite?: true },
): Promise<void> {
  const picture = svg === undefined ? undefined : await newFile(svg, overwrite === true, context.uniqueId)
  const { path, cluster } = await openTarget(context, text)
  const sizes = await listedSizes(context, cluster.files, path)
  await picture?.write(histogramSvg(sizes, printable(path)))
  const document = {
    path,
    ...sizes.summary(),
    percentileErrorMax,
    histogram: sizes.rows(allRows),
    ...(picture !== undefined && { svg: picture.path }),
  }
  const written = picture === undefined ? '' : `\nWrote ${printable(localUri(picture.path))}`
  writeResult(context, document, `${histogramText(sizes, context.io.columns())}${written}`)
}
