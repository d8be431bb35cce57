import { defineConfig } from 'vitest/config'

// Projects: `vitest run --project fast` for unit, conformance, model and tidy; `--project integration` and
// `--project alone` for real servers and processes.
const report = process.env['SKEIN_TEST_REPORT']
// Only where seeds are chosen (scripts/seeds.sh), or a slow machine is wanted.
const setupFiles = [
  ...(process.env['SKEIN_TEST_SEED'] === undefined ? [] : ['test/support/seed.ts']),
  ...(process.env['SKEIN_TEST_STALLS'] === undefined ? [] : ['test/support/stalls.ts']),
]

const isLong = process.env['SKEIN_TEST_LONG'] === '1'
const longMs = 4 * 3_600_000
/**
 * The only time-outs: a test must not fail because the machine is slow. They end what hangs; tests
 * that take longer say so.
 */
const patience = {
  testTimeout: isLong ? longMs : 240_000,
  expect: { poll: { timeout: 60_000 } },
  hookTimeout: 120_000,
}
/** What they say holds for a machine that does nothing else, or they fill its memory. */
const alone = ['test/integration/{main-job,metadata-scale,pacing}.test.ts', 'test/torture/leaks.test.ts']

export default defineConfig({
  test: {
    reporters: report === undefined ? ['default'] : ['default', ['json', { outputFile: report }]],
    projects: [
      {
        test: {
          ...patience,
          name: 'fast',
          include: ['test/{unit,conformance,model,tidy}/**/*.test.ts'],
          setupFiles,
          // More than the cores of a small machine: most tests wait for a time.
          maxWorkers: 3,
        },
      },
      {
        test: {
          ...patience,
          name: 'integration',
          include: ['test/{integration,torture}/**/*.test.ts'],
          exclude: alone,
          // Their processes wait for each other, and for time, more than they compute.
          maxWorkers: 3,
          sequence: { groupOrder: 1 },
        },
      },
      {
        test: { ...patience, name: 'alone', include: alone, maxWorkers: 1, sequence: { groupOrder: 2 } },
      },
    ],
  },
})
