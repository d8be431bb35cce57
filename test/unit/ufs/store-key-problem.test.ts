// What each kind of store can have as a key, at the limits; and that a directory really can have
// it.
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { expect, it } from 'vitest'
import { storeKeyProblem } from '../../../src/ufs/store-key-problem.ts'

it.each<[string, string, boolean]>([
  ['s3://bucket/', 'a//b', true],
  ['s3://bucket/', '/a', true],
  ['s3://bucket/', 'x'.repeat(1024), true],
  ['s3://bucket/p', 'x'.repeat(1022), true],
  ['s3://bucket/p', 'x'.repeat(1023), false],
  ['cosn://bucket-1/', 'x'.repeat(850), true],
  ['cosn://bucket-1/', 'ü'.repeat(426), false],
  ['file:///store', 'a/b', true],
  ['file:///store', 'a//b', false],
  ['file:///store', '/a', false],
  ['file:///store', 'a/', false],
  ['file:///store', `a/${'x'.repeat(255)}/b`, true],
  ['file:///store', `a/${'ü'.repeat(128)}/b`, false],
  ['file:///store', '.skein-write-0a1b2c3d-0a1b-0a1b-0a1b-0a1b2c3d4e5f', false],
])('%s: %s', (uri, key, isPossible) => {
  expect(storeKeyProblem(uri, key) === undefined).toBe(isPossible)
  if (!uri.startsWith('file:') || !isPossible) return
  const root = mkdtempSync(join(tmpdir(), 'skein-keys-'))
  mkdirSync(dirname(join(root, key)), { recursive: true })
  writeFileSync(join(root, key), 'x')
  rmSync(root, { recursive: true })
})
