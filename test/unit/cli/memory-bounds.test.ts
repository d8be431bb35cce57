import { describe, expect, it } from 'vitest'
import { missingBounds } from '../../../src/cli/memory-bounds.ts'

const config = { semiSpaceBytes: 8 * 1024 ** 2, heapGrowthPercent: 30, mallocArenas: 2, mallocMmapBytes: 262_144 }
const malloc = { MALLOC_ARENA_MAX: '2', MALLOC_MMAP_THRESHOLD_: '262144', MALLOC_TRIM_THRESHOLD_: '1048576' }

describe('the bounds of a role’s memory', () => {
  it('are flags and environment that the process began without', () => {
    const bounds = missingBounds(config, [], {})
    expect(bounds).toEqual({ flags: ['--max-semi-space-size=8', '--heap-growing-percent=30'], environment: malloc })
    expect(missingBounds(config, bounds?.flags ?? [], { ...bounds?.environment })).toBeUndefined()
  })

  it('leave alone what was set by hand', () => {
    expect(missingBounds(config, ['--max-semi-space-size=64'], { NODE_OPTIONS: '--heap_growing_percent=100' })).toEqual(
      {
        flags: [],
        environment: malloc,
      },
    )
    expect(
      missingBounds(config, [], { MALLOC_ARENA_MAX: '8', MALLOC_MMAP_THRESHOLD_: '1', MALLOC_TRIM_THRESHOLD_: '1' })
        ?.environment,
    ).toEqual({})
  })

  it('are none where they are 0', () => {
    expect(
      missingBounds({ semiSpaceBytes: 0, heapGrowthPercent: 0, mallocArenas: 0, mallocMmapBytes: 0 }, [], {}),
    ).toBeUndefined()
  })
})
