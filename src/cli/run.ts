// Why: one command line from its words to its exit code. How: global options are picked out,
// commander gets a program in which only the wanted group is loaded, and every error ends in the
// same place.
import { type Command, CommanderError } from 'commander'
import { abortReason } from '../base/clock.ts'
import { SkeinError, toSkeinError } from '../base/errors.ts'
import { redactSecrets } from '../base/redact.ts'
import type { Cluster } from '../client/cluster.ts'
import { commandName } from './frame/command-name.ts'
import type { CliIo, CommandContext, GlobalOptions } from './frame/context.ts'
import { errorDocument, errorLine, errorText, shortened } from './frame/error-report.ts'
import { exitCodeOfError, exitCodes, usageError, type ExitCode } from './frame/exit-codes.ts'
import { splitArguments, wantsJson } from './frame/global-options.ts'
import { buildProgram } from './program.ts'
import { secretsIn } from './frame/redact-streams.ts'

/** What tests replace. */
export type Surroundings = Pick<CommandContext, 'clock' | 'environment' | 'uniqueId' | 'config' | 'connect'>

/**
 * Runs one command line (without the program's name) and returns the exit code. Never throws.
 * @param surroundings made from the global options
 */
export async function runCli(
  argv: readonly string[],
  io: CliIo,
  surroundings: (options: GlobalOptions) => Promise<Surroundings>,
): Promise<number> {
  const secrets = secretsIn(argv)
  let debug = argv.includes('--debug')
  const opened: Cluster[] = []
  const stop = new AbortController()
  const unlisten = io.onStop(() => {
    if (stop.signal.aborted) io.exit(exitCodes.cancelled)
    stop.abort(new SkeinError('cancelled', 'stopped'))
  })
  let isWritten = false
  let isGoosefs = false
  try {
    const { options, rest } = splitArguments(argv)
    debug = options.debug
    let exitCode: ExitCode = exitCodes.done
    const around = await surroundings(options)
    isGoosefs = commandName(around.environment) === 'goosefs'
    const context: CommandContext = {
      ...around,
      onSecret: (secret) => void secrets.push(secret),
      io: {
        ...io,
        stdout: (text) => {
          isWritten = true
          io.stdout(text)
        },
        writeBytes: (bytes) => {
          isWritten = true
          return io.writeBytes(bytes)
        },
      },
      options,
      signal: stop.signal,
      connect: async (config) => {
        const cluster = await around.connect(config)
        opened.push(cluster)
        return cluster
      },
      setExitCode: (code) => {
        exitCode = code
        io.setExitCode(code)
      },
    }
    await parse(await buildProgram(rest, context), rest)
    return exitCode
  } catch (thrown) {
    if (thrown instanceof CommanderError && thrown.exitCode === 0) return exitCodes.done
    const error = errorOf(thrown, stop.signal)
    io.stderr(shortened(redactSecrets(errorText(error, debug), secrets)))
    // Half a document is none, and a second one beside it neither.
    if (wantsJson(argv) && !isWritten) io.stdout(`${redactSecrets(errorDocument(error), secrets)}\n`)
    // GooseFS's command line has its errors there, and programs look for their words.
    if (isGoosefs && !wantsJson(argv) && !isWritten) io.stdout(shortened(redactSecrets(errorLine(error), secrets)))
    // Whatever it hangs on would hold up an orderly end as well.
    if (error.reason === 'stop_timeout') io.exit(exitCodeOfError(error))
    return exitCodeOfError(error)
  } finally {
    if (!stop.signal.aborted) await Promise.all(opened.map((cluster) => cluster.settle()))
    unlisten()
    for (const cluster of opened) cluster.close()
  }
}

/** Of a command that was stopped while somebody did not answer it, the stop is what ended it. */
function errorOf(thrown: unknown, stop: AbortSignal): SkeinError {
  if (thrown instanceof CommanderError) return usageError(commanderMessage(thrown))
  const error = toSkeinError(thrown)
  return stop.aborted && error.retryable ? abortReason(stop) : error
}

async function parse(program: Command, words: readonly string[]): Promise<void> {
  await program.parseAsync([...words], { from: 'user' })
}

/** Commander's message on one line, without a value that may be a secret. */
function commanderMessage(error: CommanderError): string {
  if (error.code === 'commander.help') return 'the command is missing; see `skein --help`'
  const message = error.message.replace(/^error: /, '').replaceAll(/\s*\n\s*/g, ' ')
  return message.replace(/^(unknown option '[^'=]*)=.*?'/s, "$1'")
}
