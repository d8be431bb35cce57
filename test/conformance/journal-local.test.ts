// Why: LocalJournal passes the suite of every Journal, with segments small enough that it changes
// them all the time.
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { systemClock } from '../../src/base/clock.ts'
import { openLocalJournal } from '../../src/journal/log/local-journal.ts'
import { silentLogger } from '../../src/telemetry/logger.ts'
import { MetricRegistry } from '../../src/telemetry/registry.ts'
import { journalConformance } from './support/journal.ts'

journalConformance('LocalJournal', async () => {
  const directory = await mkdtemp(join(tmpdir(), 'skein-journal-'))
  return {
    open: () =>
      openLocalJournal({
        directory,
        segmentBytesMax: 8192,
        logger: silentLogger,
        metrics: new MetricRegistry(),
        clock: systemClock,
      }),
    dispose: () => rm(directory, { recursive: true, force: true }),
  }
})
