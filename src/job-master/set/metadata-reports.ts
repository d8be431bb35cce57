// Why: what the store has with the objects of a load reaches the master with few calls and few
// commands, and holds up no load. How: while one report is under way, those that come gather for
// the next one. A report that fails is given up: the next look at an object says the same.
import { toSkeinError } from '../../base/errors.ts'
import type { Logger } from '../../telemetry/logger.ts'
import type { FileMetadata, MasterServiceDefinition } from '../../wire/generated/master.ts'
import type { Service } from '../../wire/service.ts'

/** Files of one report, which the master journals as one command. */
const filesMax = 1000
const callMs = 5000
/** A report is of several sets, so none of them ends it. */
const never = new AbortController().signal

export interface MetadataReportsContext {
  readonly master: Pick<Service<MasterServiceDefinition>, 'reportMetadata'>
  readonly logger: Pick<Logger, 'debug'>
}

export class MetadataReports {
  readonly #context: MetadataReportsContext
  #waiting: FileMetadata[] = []
  #sending: Promise<void> | undefined

  constructor(context: MetadataReportsContext) {
    this.#context = context
  }

  /** Resolves when the master has it, or it was given up. Never throws. */
  async report(files: readonly FileMetadata[]): Promise<void> {
    if (files.length === 0) return
    for (const file of files) this.#waiting.push(file)
    await this.#sending
    // Who waited longest sends for all.
    this.#sending ??= this.#sendAll().finally(() => (this.#sending = undefined))
    await this.#sending
  }

  async #sendAll(): Promise<void> {
    const { master, logger } = this.#context
    const files = this.#waiting
    this.#waiting = []
    for (let from = 0; from < files.length; from += filesMax) {
      try {
        await master.reportMetadata(
          { files: files.slice(from, from + filesMax) },
          { signal: never, deadlineMs: callMs },
        )
      } catch (thrown) {
        logger.debug('metadata of objects were not reported', { error: toSkeinError(thrown).message })
      }
    }
  }
}
