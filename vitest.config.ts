import { defineConfig } from 'vitest/config'

// Projects: `vitest run --project fast` for unit, conformance, model and tidy; `--project integration` for real servers and processes.
const report = process.env['SKEIN_TEST_REPORT']
// Only where seeds are chosen: see scripts/seeds.sh.
const setupFiles = process.env['SKEIN_TEST_SEED'] === undefined ? [] : ['test/support/seed.ts']

export default defineConfig({
  test: {
    reporters: report === undefined ? ['default'] : ['default', ['json', { outputFile: report }]],
    projects: [
      {
        test: {
          name: 'fast',
          include: ['test/{unit,conformance,model,tidy}/**/*.test.ts'],
          setupFiles,
          testTimeout: 30_000,
          expect: { poll: { timeout: 20_000 } },
        },
      },
      {
        test: {
          name: 'integration',
          include: ['test/{integration,torture}/**/*.test.ts'],
          testTimeout: 240_000,
          expect: { poll: { timeout: 60_000 } },
          hookTimeout: 120_000,
          fileParallelism: false,
        },
      },
    ],
  },
})
