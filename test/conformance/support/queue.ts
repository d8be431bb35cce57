// Why: what every Queue must do, whatever carries the tasks. Each implementation's test file calls
// this with a maker.
import { afterEach, describe, expect, test } from 'vitest'
import type { Consumer, Queue, Task } from '../../../src/queue/queue.ts'

export function taskOf(set: number, more: Partial<Task> = {}): Task {
  return { id: `L1-s${set}-a1`, loadId: 'L1', set, attempt: 1, bytes: 1000, priority: 10, ...more }
}

/** A promise and its resolver. */
export function gate(): { readonly opened: Promise<void>; readonly open: () => void } {
  const { promise, resolve } = Promise.withResolvers<void>()
  return { opened: promise, open: resolve }
}

/** Waits until `condition` holds. @throws when it does not within 20 s */
export async function until(condition: () => boolean | Promise<boolean>, what: string): Promise<void> {
  const deadline = Date.now() + 20_000
  while (!(await condition())) {
    if (Date.now() > deadline) throw new Error(`waited in vain: ${what}`)
    await new Promise((resolve) => setTimeout(resolve, 10))
  }
}

export function queueConformance(name: string, make: () => Promise<{ queue: Queue; dispose(): Promise<void> }>): void {
  describe(`${name} is a Queue`, () => {
    const cleanups: (() => Promise<void>)[] = []
    afterEach(async () => {
      for (const cleanup of cleanups.splice(0).toReversed()) await cleanup()
    })

    async function made(): Promise<Queue> {
      const { queue, ...rest } = await make()
      cleanups.push(
        () => rest.dispose(),
        () => queue.close(),
      )
      return queue
    }

    function taken(
      queue: Queue,
      lane: string,
      concurrency = 10,
    ): { ids: string[]; errors: unknown[]; consumer: Consumer } {
      const ids: string[] = []
      const errors: unknown[] = []
      const run = async (task: Task): Promise<void> => {
        ids.push(task.id)
      }
      return { ids, errors, consumer: queue.take(lane, run, { concurrency, onError: (error) => errors.push(error) }) }
    }

    const empty = (queue: Queue, lane: string) => async (): Promise<boolean> => {
      const { waiting, running } = await queue.depth(lane)
      return waiting + running === 0
    }

    test('answers a ping', async () => {
      await (await made()).ping(AbortSignal.timeout(5000))
    })

    test('runs each task once, with all its fields', async () => {
      const queue = await made()
      const seen: Task[] = []
      queue.take('w1', async (task) => void seen.push(task), { concurrency: 4, onError: () => undefined })
      const tasks = Array.from({ length: 50 }, (_, i) => taskOf(i, { bytes: i * 1000, attempt: 2, priority: i % 3 }))
      await queue.add('w1', tasks)
      await until(empty(queue, 'w1'), 'the lane is empty')
      expect(seen.toSorted((a, b) => a.set - b.set)).toEqual(tasks)
    })

    test('takes more tasks in one call than any batch holds', async () => {
      const queue = await made()
      await queue.add(
        'w1',
        Array.from({ length: 2500 }, (_, i) => taskOf(i)),
      )
      expect(await queue.depth('w1')).toEqual({ waiting: 2500, running: 0 })
      const { ids } = taken(queue, 'w1', 50)
      await until(() => ids.length >= 2500, 'all ran')
      await until(empty(queue, 'w1'), 'the lane is empty')
      expect(new Set(ids).size).toBe(2500)
      expect(ids.length).toBe(2500)
    })

    test('keeps lanes apart', async () => {
      const queue = await made()
      const one = taken(queue, 'w1')
      const two = taken(queue, 'w2.example-host_1')
      await queue.add('w1', [taskOf(1)])
      await queue.add('w2.example-host_1', [taskOf(2)])
      await until(() => one.ids.length + two.ids.length === 2, 'both ran')
      expect([one.ids, two.ids]).toEqual([['L1-s1-a1'], ['L1-s2-a1']])
    })

    test('hands out lower priorities first, and equal ones in order', async () => {
      const queue = await made()
      await queue.add('w1', [
        taskOf(1, { priority: 7 }),
        taskOf(2, { priority: 7 }),
        taskOf(3, { priority: 2 }),
        taskOf(4, { priority: 30 }),
        taskOf(5, { priority: 0 }),
      ])
      const { ids } = taken(queue, 'w1', 1)
      await until(() => ids.length === 5, 'all ran')
      expect(ids.map((id) => id.slice(3, 5))).toEqual(['s5', 's3', 's1', 's2', 's4'])
    })

    test('adds a task once while it waits and while it runs, and again after it is done', async () => {
      const queue = await made()
      await queue.add('w1', [taskOf(1)])
      await queue.add('w1', [taskOf(1), taskOf(1)])
      expect(await queue.depth('w1')).toEqual({ waiting: 1, running: 0 })
      const { opened, open } = gate()
      let runs = 0
      const run = async (): Promise<void> => {
        runs += 1
        await opened
      }
      queue.take('w1', run, { concurrency: 5, onError: () => undefined })
      await until(() => runs === 1, 'it runs')
      await queue.add('w1', [taskOf(1)])
      expect(await queue.depth('w1')).toEqual({ waiting: 0, running: 1 })
      open()
      await until(empty(queue, 'w1'), 'it is done')
      expect(runs).toBe(1)
      await queue.add('w1', [taskOf(1)])
      await until(() => runs === 2, 'it ran again')
    })

    test('drops and reports a task that throws, and takes its id again', async () => {
      const queue = await made()
      const errors: unknown[] = []
      let runs = 0
      const run = async (task: Task): Promise<void> => {
        runs += 1
        throw new Error(`task ${task.id} went wrong`)
      }
      queue.take('w1', run, { concurrency: 2, onError: (error) => errors.push(error) })
      for (const round of [1, 2]) {
        await queue.add('w1', [taskOf(1)])
        await until(() => runs === round, 'it ran')
        await until(empty(queue, 'w1'), 'it is gone')
      }
      expect(errors.map((error) => (error as Error).message)).toEqual([
        'task L1-s1-a1 went wrong',
        'task L1-s1-a1 went wrong',
      ])
    })

    test('runs as many at once as it was told to, never more', async () => {
      const queue = await made()
      let running = 0
      let peak = 0
      let done = 0
      const run = async (): Promise<void> => {
        running += 1
        peak = Math.max(peak, running)
        await new Promise((resolve) => setTimeout(resolve, 20))
        running -= 1
        done += 1
      }
      queue.take('w1', run, { concurrency: 3, onError: () => undefined })
      await queue.add(
        'w1',
        Array.from({ length: 15 }, (_, i) => taskOf(i)),
      )
      await until(() => done === 15, 'all ran')
      expect(peak).toBe(3)
    })

    test('runs more at once, or fewer, when it is told so', async () => {
      const queue = await made()
      let running = 0
      const gates = new Set<() => void>()
      const run = async (): Promise<void> => {
        running += 1
        await new Promise<void>((resolve) => gates.add(resolve))
        running -= 1
      }
      const consumer = queue.take('w1', run, { concurrency: 1, onError: () => undefined })
      await queue.add(
        'w1',
        Array.from({ length: 12 }, (_, i) => taskOf(i)),
      )
      await until(() => running === 1, 'one runs')
      consumer.resize(3)
      const endOne = (): void => {
        const [end] = gates
        if (end !== undefined) gates.delete(end)
        end?.()
      }
      // A transport may notice only when a task ends.
      endOne()
      await until(() => running === 3, 'three run')
      consumer.resize(1)
      for (const _ of [1, 2, 3]) endOne()
      await until(() => running === 1, 'one runs again')
      let most = 0
      await until(() => {
        most = Math.max(most, running)
        endOne()
        return running === 0 && gates.size === 0
      }, 'all ran')
      expect(most).toBe(1)
    })

    test('removes waiting tasks and leaves running and unknown ones alone', async () => {
      const queue = await made()
      const { opened, open } = gate()
      const ids: string[] = []
      const run = async (task: Task): Promise<void> => {
        ids.push(task.id)
        await opened
      }
      await queue.add('w1', [taskOf(1)])
      queue.take('w1', run, { concurrency: 1, onError: () => undefined })
      await until(() => ids.length === 1, 'the first runs')
      await queue.add('w1', [taskOf(2), taskOf(3)])
      await queue.remove('w1', ['L1-s1-a1', 'L1-s2-a1', 'L9-s9-a9'])
      expect(await queue.depth('w1')).toEqual({ waiting: 1, running: 1 })
      open()
      await until(empty(queue, 'w1'), 'the lane is empty')
      expect(ids).toEqual(['L1-s1-a1', 'L1-s3-a1'])
    })

    test('drops a lane, also one that never was, and goes on using it', async () => {
      const queue = await made()
      await queue.drop('w1')
      await queue.add('w1', [taskOf(1), taskOf(2)])
      await queue.drop('w1')
      expect(await queue.depth('w1')).toEqual({ waiting: 0, running: 0 })
      const { ids } = taken(queue, 'w1')
      await queue.add('w1', [taskOf(2)])
      await until(() => ids.length === 1, 'the new one ran')
      await queue.drop('w1')
      await queue.add('w1', [taskOf(3)])
      await until(() => ids.length === 2, 'also with a consumer that was there before')
      expect(ids).toEqual(['L1-s2-a1', 'L1-s3-a1'])
    })

    test('close lets a running task end within its grace, then aborts it; nothing else is started', async () => {
      const queue = await made()
      const ended: string[] = []
      const run = async (task: Task, signal: AbortSignal): Promise<void> => {
        const ms = task.set === 1 ? 50 : 60_000
        await new Promise<void>((resolve) => {
          const timer = setTimeout(resolve, ms)
          signal.addEventListener('abort', () => {
            clearTimeout(timer)
            resolve()
          })
        })
        ended.push(`${task.set} ${signal.aborted ? 'aborted' : 'done'}`)
      }
      let started = 0
      const consumer = queue.take('w1', (task, signal) => ((started += 1), run(task, signal)), {
        concurrency: 2,
        onError: () => undefined,
      })
      await queue.add('w1', [taskOf(1), taskOf(2), taskOf(3, { priority: 50 })])
      await until(() => started === 2, 'two run')
      // The lower slot frees up while the consumer closes; the third must stay where it is.
      await consumer.close(500)
      expect(ended).toEqual(['1 done', '2 aborted'])
      expect(started).toBe(2)
      expect(await queue.depth('w1')).toEqual({ waiting: 1, running: 0 })
      const next = taken(queue, 'w1')
      await until(() => next.ids.length === 1, 'the next consumer gets it')
    })

    test('a task that comes while a consumer closes is left to the next one', async () => {
      const queue = await made()
      const { opened, open } = gate()
      const ids: string[] = []
      const run = async (task: Task): Promise<void> => {
        ids.push(task.id)
        await opened
      }
      const consumer = queue.take('w1', run, { concurrency: 2, onError: () => undefined })
      await queue.add('w1', [taskOf(1)])
      await until(() => ids.length === 1, 'one runs, and the other slot waits')
      await new Promise((resolve) => setTimeout(resolve, 100))
      const closed = consumer.close(10_000)
      await queue.add('w1', [taskOf(2)])
      await new Promise((resolve) => setTimeout(resolve, 100))
      open()
      await closed
      expect(ids).toEqual(['L1-s1-a1'])
      const next = taken(queue, 'w1')
      await until(() => next.ids.length === 1, 'the next consumer gets it')
    })

    test.each([
      ['a colon in the id', { id: 'L1:s1' }],
      ['a bare integer as id', { id: '17' }],
      ['an empty id', { id: '' }],
      ['a negative size', { bytes: -1 }],
      ['a fraction as priority', { priority: 1.5 }],
      ['a field too many', { secret: 'x' }],
    ])('refuses a task with %s', async (_what, more) => {
      const queue = await made()
      await expect(queue.add('w1', [{ ...taskOf(1), ...more }])).rejects.toMatchObject({ code: 'invalid_argument' })
    })

    test.each(['', 'a:b', 'a b', '{x}', 'x'.repeat(201)])('refuses %j as a lane', async (lane) => {
      const queue = await made()
      await expect(queue.add(lane, [taskOf(1)])).rejects.toMatchObject({ code: 'invalid_argument' })
      await expect(async () =>
        queue.take(lane, async () => undefined, { concurrency: 1, onError: () => undefined }),
      ).rejects.toMatchObject({ code: 'invalid_argument' })
    })

    test('refuses everything once closed', async () => {
      const queue = await made()
      const { consumer } = taken(queue, 'w1')
      await queue.close()
      await queue.close()
      await consumer.close(0)
      await expect(queue.add('w1', [taskOf(1)])).rejects.toMatchObject({ code: 'failed_precondition' })
      await expect(queue.ping(AbortSignal.timeout(1000))).rejects.toMatchObject({ code: 'failed_precondition' })
    })
  })
}
