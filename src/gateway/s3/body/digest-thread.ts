// Why: see digest-threads.ts; this program runs in each of the threads. How: for each message, all
// bytes in it go to the running digests of their content, and are freed. The answer tells how many
// they were, so that the sender knows how much is waiting.
import { parentPort } from 'node:worker_threads'
import { freeBuffer } from '../../../base/flow/free-memory.ts'
import type { RunningChecksum } from './checksum-algorithms.ts'
import type { DigestAnswer, DigestRequest } from './digest-messages.ts'
import { runningDigest } from './running-digests.ts'

const contents = new Map<number, readonly RunningChecksum[]>()

function answerTo(request: DigestRequest): DigestAnswer | undefined {
  const { content } = request
  if (request.kind === 'drop') {
    contents.delete(content)
    return undefined
  }
  const running = contents.get(content) ?? (request.names ?? []).map(runningDigest)
  let bytes = 0
  for (let at = 0; at < request.parts.length; at += 3) {
    const [index = 0, offset = 0, length = 0] = request.parts.slice(at, at + 3)
    const buffer = request.buffers[index]
    if (buffer === undefined) throw new Error('a part is in none of the buffers')
    for (const digest of running) digest.update(new Uint8Array(buffer, offset, length))
    bytes += length
  }
  for (const buffer of request.buffers) freeBuffer(buffer)
  if (!request.isLast) {
    contents.set(content, running)
    return { content, bytes }
  }
  contents.delete(content)
  return { content, bytes, digests: running.map((digest) => digest.digest()) }
}

parentPort?.on('message', (request: DigestRequest) => {
  const answer = answerTo(request)
  if (answer !== undefined) parentPort?.postMessage(answer, [])
})
