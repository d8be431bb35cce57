// Why: tests run on the numbers that production uses: those of the key table.
import { loadConfig } from '../../src/config/read-config.ts'
import type { JobMasterOptions } from '../../src/job-master/options/job-master-options.ts'
import { jobMasterOptions } from '../../src/process/parts/job-master-bounds.ts'

export const defaultJobMasterOptions: JobMasterOptions = jobMasterOptions(
  loadConfig({ mode: 'role', definitions: {}, environment: {} }),
)
