// Why: a worker may serve another block under an id, such as one from an earlier cluster. Its bytes
// must not be used for the file. How: the head of the response is compared with the master's
// metadata of the block. A read beyond the end of a shorter block is the same error.
import { SkeinError } from '../../base/errors.ts'
import { type ExpectedBlock, wrongBlock } from '../../base/expected-block.ts'
import type { BlockHeader } from '../generated/worker.ts'

export /**
 * @throws SkeinError data_loss (reason `wrong_block`, `wrong_durable_block`) when a worker serves
 *   another block under this id
 */
function checkBlock(header: BlockHeader, expected: ExpectedBlock | undefined, address: string): void {
  const problem = expected === undefined ? undefined : wrongBlock(header, expected)
  // A durable block exists nowhere else and may be the only copy of some other file.
  const reason = header.durable === true ? 'wrong_durable_block' : 'wrong_block'
  if (problem !== undefined)
    throw new SkeinError('data_loss', `block ${header.blockId} at ${address} is not the expected one: ${problem}`, {
      reason,
    })
}

export /**
 * What a block that ends before its file's does is refused with: it is another one, and its head
 * does not come with that.
 */
function shortBlock(error: SkeinError, address: string): SkeinError {
  const { code, reason, message } = error
  if (code !== 'invalid_argument' || (reason !== 'beyond_block' && reason !== 'beyond_durable_block')) return error
  const wrong = reason === 'beyond_block' ? 'wrong_block' : 'wrong_durable_block'
  return new SkeinError('data_loss', `the block at ${address} is not the expected one: ${message}`, {
    reason: wrong,
    cause: error,
  })
}
