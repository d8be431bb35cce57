// Why: a test must not fail because its machine stands still for a while, and on a fast machine
// nobody sees which would. How: with SKEIN_TEST_STALLS=<ms> in the environment each test process
// stands still for up to so long, again and again, at random times. Everything in the process does:
// the test, and the servers that it started.
const stallMs = Number(process.env['SKEIN_TEST_STALLS'])
if (!(stallMs > 0)) throw new Error(`SKEIN_TEST_STALLS is not a time in ms: ${process.env['SKEIN_TEST_STALLS']}`)
const gapMs = 2000
const nobody = new Int32Array(new SharedArrayBuffer(4))
// Tests may put another clock in its place.
const { setTimeout: later } = globalThis

function standStillSoon(): void {
  const timer = later(() => {
    Atomics.wait(nobody, 0, 0, stallMs * (0.5 + Math.random() / 2))
    standStillSoon()
  }, Math.random() * gapMs)
  timer.unref()
}
standStillSoon()
