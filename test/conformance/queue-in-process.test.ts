// Why: the queue of `skein local` passes the suite of every Queue.
import { createInProcessQueue } from '../../src/queue/in-process-queue.ts'
import { queueConformance } from './support/queue.ts'

queueConformance('InProcessQueue', async () => ({ queue: createInProcessQueue(), dispose: async () => undefined }))
