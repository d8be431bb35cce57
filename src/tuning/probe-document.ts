// Why: a probe costs requests, so its figures are kept in a file and used again: by `tune
// recommend`, on another day, by a person. How: one JSON document. A file that was changed by hand
// is checked like any other input. Pure.
import { z } from 'zod'
import { SkeinError } from '../base/errors.ts'

const amount = z.number().min(0)
const count = z.int().min(0)
const text = z.string().max(10_000)

const rung = z.object({
  connections: z.int().min(1).max(10_000),
  bytesPerSecond: amount,
  requestsPerSecond: amount,
  firstByteMs: amount.optional(),
  slowDowns: count,
  failed: count,
  endedBy: text,
})

const documentShape = z.object({
  kind: z.literal('skein-probe'),
  version: z.literal(1),
  path: text,
  takenAt: text,
  worker: z.object({ workerId: text, hostname: text }),
  /** Of one request; smaller objects were read whole. */
  rangeBytes: z.int().min(1),
  objects: z.object({ count, medianBytes: amount }),
  /** Of HEAD requests on an open connection: the network and the work of the store. */
  roundTripMs: z.object({ least: amount, median: amount }).optional(),
  rungs: z.array(rung).max(64),
  endedBy: z.enum(['gain', 'latency', 'slow_down', 'failures', 'bounds', 'connections']),
  /** Absent: nothing was read without trouble. */
  knee: rung.optional(),
  slowDown: z
    .object({
      connections: z.int().min(1),
      answers: count,
      /** Until the store answered one request again. Absent: it did not, in the time left. */
      recoveredMs: amount.optional(),
    })
    .optional(),
  problem: text,
  disks: z
    .array(z.object({ path: text, tier: text, mediumType: text, bytesPerSecond: amount.optional(), problem: text }))
    .max(1000),
  spent: z.object({ requests: count, bytes: count, seconds: amount }),
})

export type ProbeDocument = z.infer<typeof documentShape>

/** @throws SkeinError invalid_argument (`config`), one line that names the field */
export function parseProbe(content: string, name: string): ProbeDocument {
  const refusal = (problem: string): SkeinError =>
    new SkeinError('invalid_argument', `${name} is no file of skein tune probe: ${problem}`, { reason: 'config' })
  let document: unknown
  try {
    document = JSON.parse(content)
  } catch {
    throw refusal('it is not JSON')
  }
  const result = documentShape.safeParse(document)
  if (result.success) return result.data
  const [issue] = result.error.issues
  throw refusal(`${issue?.path.join('.') ?? ''} ${issue?.message ?? 'is not valid'}`.trim())
}
