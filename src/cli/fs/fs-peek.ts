// Why: `skein fs head | tail | test`: a look at the ends of a file, and questions that scripts ask
// about a path. How: only the wanted bytes are read. Sources: Alluxio 2.9's HeadCommand,
// TailCommand (1 KB by default), TestCommand.
import { type Command, Option } from 'commander'
import { isSkeinError } from '../../base/errors.ts'
import type { FileRange, FileStatus } from '../../client/file-system.ts'
import { type CommandContext, openFiles, writeResult } from '../frame/context.ts'
import { exitCodes, usageError } from '../frame/exit-codes.ts'
import { sizeOf } from '../frame/numbers.ts'
import { fileBytes } from '../../client/file-bytes.ts'

const pathText = '/namespace/dir/file or gfs://host:port/namespace/dir/file'

/** The questions of `fs test`, with the answer for a path that exists. */
const questions = {
  d: { text: 'it is a directory', answer: ({ kind }: FileStatus) => kind === 'directory' },
  e: { text: 'it exists', answer: () => true },
  f: { text: 'it is a file', answer: ({ kind }: FileStatus) => kind === 'file' },
  s: { text: 'it is a file with at least one byte, or a directory with an entry', answer: isFilled },
  z: { text: 'it is a file of zero bytes', answer: ({ kind, length }: FileStatus) => kind === 'file' && length === 0 },
} as const

type Question = keyof typeof questions
type TestFlags = Readonly<Partial<Record<Question, true>>>

export function addCommands(parent: Command, context: CommandContext): void {
  for (const end of ['head', 'tail'] as const) {
    parent
      .command(end)
      .description(`write the ${end === 'head' ? 'first' : 'last'} bytes of a file to stdout`)
      .argument('<path>', pathText)
      .option('-c <bytes>', 'number of bytes, such as 4096 or 1MB', '1KB')
      .action(async (path: string, flags: { c: string }) => writeEnd(context, path, end, sizeOf('-c', flags.c)))
  }
  const test = parent
    .command('test')
    .description('test a property of a path: exit code 0 if it holds, 1 if not')
    .argument('<path>', pathText)
  const letters = Object.keys(questions) as Question[]
  for (const letter of letters) {
    const conflicts = letters.filter((other) => other !== letter)
    test.addOption(new Option(`-${letter}`, questions[letter].text).conflicts(conflicts))
  }
  test.action(async (path: string, flags: TestFlags) => testPath(context, path, flags))
}

async function writeEnd(context: CommandContext, text: string, end: 'head' | 'tail', bytes: number): Promise<void> {
  const { path, files } = await openFiles(context, text)
  const { signal, io } = context
  const rangeOf = (length: number): FileRange => ({
    offset: end === 'head' ? 0 : Math.max(0, length - bytes),
    length: bytes,
  })
  for await (const chunk of fileBytes(files, path, signal, rangeOf)) await io.writeBytes(chunk)
}

async function testPath(context: CommandContext, text: string, flags: TestFlags): Promise<void> {
  const letter = (Object.keys(questions) as Question[]).find((name) => flags[name] === true)
  if (letter === undefined) throw usageError('give one of -d, -e, -f, -s or -z')
  const { path, files } = await openFiles(context, text)
  const { signal } = context
  const file = await files.stat(path, { signal }).catch((thrown: unknown) => {
    if (isSkeinError(thrown, 'not_found')) return undefined
    throw thrown
  })
  const hasEntry = async (): Promise<boolean> => {
    for await (const entries of files.list(path, { pageSize: 1, signal })) return entries.length > 0
    return false
  }
  const result = file !== undefined && (await questions[letter].answer(file, hasEntry))
  if (context.options.format === 'json') writeResult(context, { path, test: letter, result }, '')
  if (!result) context.setExitCode(exitCodes.failed)
}

async function isFilled({ kind, length }: FileStatus, hasEntry: () => Promise<boolean>): Promise<boolean> {
  return kind === 'directory' ? await hasEntry() : length > 0
}
