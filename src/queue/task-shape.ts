// Why: the content of a queue is checked on the way in and out, because others may use the same
// Redis. How: ids and lanes are restricted to what BullMQ and a Redis key both accept (no `:`, no
// bare integer).
import { z } from 'zod'
import { SkeinError } from '../base/errors.ts'
import type { Task } from './queue.ts'

/** BullMQ's own limit, 2^21. */
const priorityMax = 2_097_151
const wordPattern = /^[A-Za-z0-9_.@-]{1,200}$/

const shape = z.strictObject({
  id: z
    .string()
    .regex(wordPattern)
    .refine((id) => !/^\d+$/.test(id), 'a bare integer'),
  loadId: z.string().min(1).max(200),
  set: z.int().min(0),
  attempt: z.int().min(0),
  bytes: z.int().min(0),
  priority: z.int().min(0).max(priorityMax),
})

/** Parses a payload to a Task. @throws SkeinError invalid_argument naming the field */
export function parseTask(payload: unknown): Task {
  const result = shape.safeParse(payload)
  if (result.success) return Object.freeze(result.data)
  const issue = result.error.issues[0]
  const id =
    typeof payload === 'object' && payload !== null && 'id' in payload ? ` '${String(payload.id).slice(0, 60)}'` : ''
  throw new SkeinError(
    'invalid_argument',
    `not a task${id}: ${issue?.path.join('.') || 'payload'}: ${issue?.message ?? 'invalid'}`,
    {
      reason: 'invalid_task',
    },
  )
}

/** @throws SkeinError invalid_argument when the lane's name cannot be part of a Redis key */
export function checkLane(lane: string): void {
  if (wordPattern.test(lane)) return
  throw new SkeinError(
    'invalid_argument',
    `'${lane.slice(0, 60)}' is not a lane name: use up to 200 letters, digits and _ . @ -`,
  )
}

/** The error of every call on a closed queue. */
export function closedQueueError(): SkeinError {
  return new SkeinError('failed_precondition', 'the queue is closed')
}
