// Why: a stream that writes has a first command, then bytes and flushes, in messages that a client
// may mix up or stop to send. How: the first one is taken off; the others are steps, checked.
import type { Clock } from '../../base/clock.ts'
import { SkeinError } from '../../base/errors.ts'
import type { WriteRequest, WriteRequestCommand } from '../generated/goosefs/blocks.ts'

/** Bytes, or the wish to be told how many have come. */
export type WriteStep = { readonly bytes: Uint8Array } | 'flush'

export interface WriteMessages {
  readonly command: WriteRequestCommand
  readonly steps: AsyncIterable<WriteStep>
}

export interface IdleLimit {
  readonly clock: Pick<Clock, 'schedule'>
  /** Between two messages. */
  readonly idleMs: number
}

/** @throws SkeinError invalid_argument, deadline_exceeded */
export async function writeMessages(requests: AsyncIterable<WriteRequest>, limit: IdleLimit): Promise<WriteMessages> {
  const messages = withoutPauses(requests, limit)
  const first = await messages.next()
  const value = first.done === true ? undefined : first.value.value
  if (value?.$case !== 'command') throw new SkeinError('invalid_argument', 'a stream that writes begins with a command')
  const { offset = 0n } = value.command
  if (offset !== 0n) throw new SkeinError('invalid_argument', `what is written begins at 0, not at ${offset}`)
  return { command: value.command, steps: stepsOf(messages) }
}

async function* stepsOf(messages: AsyncIterable<WriteRequest>): AsyncGenerator<WriteStep> {
  for await (const { value } of messages) {
    if (value?.$case === 'chunk' && value.chunk.data !== undefined) yield { bytes: value.chunk.data }
    else if (value?.$case === 'command' && value.command.flush === true) yield 'flush'
    else throw new SkeinError('invalid_argument', 'a stream that writes has bytes and flushes after its first command')
  }
}

async function* withoutPauses(
  requests: AsyncIterable<WriteRequest>,
  { clock, idleMs }: IdleLimit,
): AsyncGenerator<WriteRequest> {
  const iterator = requests[Symbol.asyncIterator]()
  try {
    for (;;) {
      const idle = Promise.withResolvers<never>()
      const cancel = clock.schedule(idleMs, () =>
        idle.reject(new SkeinError('deadline_exceeded', `the writer sent nothing for ${idleMs} ms`)),
      )
      const step = await Promise.race([iterator.next(), idle.promise]).finally(cancel)
      if (step.done === true) return
      yield step.value
    }
  } finally {
    // Not waited for: the step that was too slow comes before it.
    void iterator.return?.()
  }
}
