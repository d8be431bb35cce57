// Why: the command line is installed as `skein` and as `goosefs`; under the second name it also
// prints what scripts for GooseFS wait for. How: scripts/goosefs says so in the environment. Pure.

export type CommandName = 'skein' | 'goosefs'

/** The name that the command line was called by (SKEIN_COMMAND_NAME). */
export function commandName(environment: Readonly<Record<string, string | undefined>>): CommandName {
  return environment['SKEIN_COMMAND_NAME'] === 'goosefs' ? 'goosefs' : 'skein'
}
