// Adds up vitest's JSON reports and prints `N passed, N failed, N skipped`; exits 1 when anything
// failed or a report is missing. Usage: node test-summary.mjs STATUS REPORT...
import { existsSync, readFileSync } from 'node:fs'

const [status, ...reports] = process.argv.slice(2)
let passed = 0
let failed = 0
let skipped = 0
for (const report of reports) {
  if (!existsSync(report)) {
    console.log(`no report: ${report} (the checks before the tests failed)`)
    failed += 1
    continue
  }
  const { numPassedTests, numFailedTests, numPendingTests, numTodoTests, numFailedTestSuites, testResults } =
    JSON.parse(readFileSync(report, 'utf8'))
  passed += numPassedTests
  skipped += numPendingTests + numTodoTests
  // A file that cannot be loaded fails without a failed test in it.
  const brokenFiles = testResults.filter(
    (file) => file.status === 'failed' && file.assertionResults.every((test) => test.status !== 'failed'),
  ).length
  failed += numFailedTests + (numFailedTestSuites > 0 ? brokenFiles : 0)
}
if (status !== '0' && failed === 0) {
  console.log('a check outside the tests failed')
  failed += 1
}
console.log(`${passed} passed, ${failed} failed, ${skipped} skipped`)
process.exit(failed === 0 && passed > 0 ? 0 : 1)
