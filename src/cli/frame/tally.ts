// Why: of a tree of files some may fail while the others go on; the user is told which, and the
// exit code says so.
import { type SkeinError, toSkeinError } from '../../base/errors.ts'
import type { CommandContext } from './context.ts'
import { exitCodes } from './exit-codes.ts'
import { printable } from './printable.ts'

/** Failures that are named; the others are counted. */
const namedMax = 100

export interface Failure {
  readonly path: string
  readonly reason: string
}

/** What became of the files of one command. */
export class Tally {
  readonly #context: CommandContext
  readonly #named: Failure[] = []
  #done = 0
  #bytes = 0
  #failed = 0

  constructor(context: CommandContext) {
    this.#context = context
  }

  get failed(): number {
    return this.#failed
  }

  get done(): number {
    return this.#done
  }

  /** For a JSON document. */
  get document(): {
    readonly files: number
    readonly bytes: number
    readonly filesFailed: number
    readonly failedFiles: readonly Failure[]
  } {
    return { files: this.#done, bytes: this.#bytes, filesFailed: this.#failed, failedFiles: this.#named }
  }

  /** @param line for stdout, in the text format */
  addDone(bytes: number, line: string): void {
    this.#done += 1
    this.#bytes += bytes
    if (this.#context.options.format === 'text') this.#context.io.stdout(`${line}\n`)
  }

  addFailed(path: string, message: string): void {
    const reason = message.startsWith(`${path}: `) ? message.slice(path.length + 2) : message
    this.#failed += 1
    if (this.#named.length >= namedMax) return
    this.#named.push({ path, reason })
    this.#context.io.stderr(`skein: ${printable(`${path}: ${reason.replaceAll(/\s*\n\s*/g, ' ')}`)}\n`)
  }

  /**
   * Runs one file's work; its failure is noted, and one that would meet every other file as well is
   * thrown.
   */
  async attempt(path: string, work: () => Promise<void>): Promise<void> {
    try {
      await work()
    } catch (thrown) {
      const error = toSkeinError(thrown)
      if (this.#context.signal.aborted || meetsAll(error)) throw error
      this.addFailed(path, error.message)
    }
  }

  /** Sets the exit code: partial when some files are done, failed when none is. */
  finish(): void {
    if (this.#failed === 0) return
    if (this.#failed > this.#named.length)
      this.#context.io.stderr(`skein: and ${this.#failed - this.#named.length} more\n`)
    this.#context.setExitCode(this.#done > 0 ? exitCodes.partial : exitCodes.failed)
  }
}

/**
 * No room, or the master is gone. What only one file's workers or store cannot give is that file's
 * own failure.
 */
function meetsAll({ code, reason }: SkeinError): boolean {
  return code === 'cancelled' || code === 'resource_exhausted' || (code === 'unavailable' && reason === 'unreachable')
}
