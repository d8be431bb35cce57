// Why: a process per command costs a quarter of a second of processor time, and most tests are
// about what a command does, not about its process. How: the command line is run in the process
// of the test, with streams of its own and the environment that it is given. Tests of signals,
// pipes and the process itself use `run` of cluster.ts.
import { runCli } from '../../src/cli/run.ts'
import { surroundingsOf } from '../../src/cli/surroundings.ts'
import { childEnvironment } from './child-environment.ts'
import type { CommandResult } from './command-result.ts'

/** What a command that ran into its time limit ends with, as a killed process does. */
const timedOut = null

/**
 * Runs one client command to its end, as its process would. @param options.env is added to this
 * process's environment, without the product's own names
 */
export async function runHere(
  args: readonly string[],
  options: { env?: NodeJS.ProcessEnv; timeoutMs?: number } = {},
): Promise<CommandResult> {
  const out: Buffer[] = []
  const err: string[] = []
  const stderr = (text: string): void => void err.push(text)
  let stop: () => void = () => undefined
  let timer: NodeJS.Timeout | undefined
  const code = await new Promise<number | null>((resolve) => {
    const io = {
      stdout: (text: string) => void out.push(Buffer.from(text)),
      writeBytes: async (bytes: Uint8Array) => void out.push(Buffer.from(bytes)),
      stderr,
      stderrIsTerminal: false,
      columns: () => 80,
      onStop: (listener: () => void) => {
        stop = listener
        return () => undefined
      },
      setExitCode: () => undefined,
      exit: resolve,
    }
    timer = setTimeout(() => {
      stop()
      resolve(timedOut)
    }, options.timeoutMs ?? 180_000)
    void runCli(args, io, surroundingsOf(childEnvironment(options.env), stderr)).then(resolve)
  })
  clearTimeout(timer)
  const bytes = Buffer.concat(out)
  return { code, stdout: bytes.toString('utf8'), stderr: err.join(''), bytes }
}
