// Why: lines and files stay short enough to be read beside each other. How: pure functions over the
// tree's files, one line a violation, as in rules.ts.
import type { SourceFile } from './rules.ts'

const codeColumnsMax = 120
const commentColumnsMax = 100
const sourceLinesMax = 350
/** Of a file of tests or scripts. */
const otherLinesMax = 450
const medianLinesMax = 120

const linesOf = ({ text }: SourceFile): string[] => text.replace(/\n$/, '').split('\n')

export function lineLengthViolations(files: readonly SourceFile[]): string[] {
  return files.flatMap((file) =>
    linesOf(file).flatMap((line, index) => {
      // A private method begins with `#`, a private generator with `*#`.
      const isComment = /^\s*(?:\/\/|\/\*|\*(?:[\s/]|$)|#(?:[\s!]|$))/.test(line)
      const max = isComment ? commentColumnsMax : codeColumnsMax
      return line.length > max ? [`${file.path}:${index + 1}: ${line.length} columns, ${max} at most`] : []
    }),
  )
}

export function sizeViolations(files: readonly SourceFile[]): string[] {
  return files.flatMap((file) => {
    const lines = linesOf(file).length
    const max = file.path.startsWith('src/') ? sourceLinesMax : otherLinesMax
    return lines > max ? [`${file.path}: ${lines} lines, ${max} at most`] : []
  })
}

export function medianViolations(files: readonly SourceFile[]): string[] {
  const lines = files.map((file) => linesOf(file).length).toSorted((a, b) => a - b)
  const median = lines[Math.floor(lines.length / 2)] ?? 0
  return median > medianLinesMax ? [`the median of a file is ${median} lines, ${medianLinesMax} at most`] : []
}

export const formRules = { lineLengthViolations, sizeViolations, medianViolations } satisfies Readonly<
  Record<string, (files: readonly SourceFile[]) => string[]>
>
