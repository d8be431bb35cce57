// What users write at a mount, and what the kernel's table says of it.
import { describe, expect, test } from 'vitest'
import { mountedAt, parseMountTable, skeinMountOf, sourceOf } from '../../../src/fuse/device/mount-table.ts'
import { mountOptionKeys } from '../../../src/fuse/mount-options.ts'

describe('mount options', () => {
  test('become keys, a later one before an earlier one', () => {
    expect(mountOptionKeys(['ro,allow_other', 'uid=1000,attr_timeout=0.5,rw', 'direct_io'])).toEqual({
      'skein.fuse.read.only': 'false',
      'skein.fuse.allow.other': 'true',
      'skein.fuse.user.id': '1000',
      'skein.fuse.attribute.timeout': '500',
      'skein.fuse.direct.size.min': '0',
    })
    expect(mountOptionKeys(['kernel_cache,big_writes,,noatime'])).toEqual({})
  })

  test.each([
    ['sync', "unknown mount option 'sync'"],
    ['constructor', "unknown mount option 'constructor'"],
    ['uid', "'uid' needs a value"],
    ['ro=1', "'ro' takes no value"],
    ['kernel_cache=1', "unknown mount option 'kernel_cache'"],
    ['attr_timeout=soon', "'soon' is not a number of seconds"],
  ])('%s is refused', (option, message) => {
    expect(() => mountOptionKeys([option])).toThrow(message)
  })
})

describe('the table of mounts', () => {
  const source = sourceOf(4711, '/data/a b')
  const text = [
    '22 1 254:0 / / rw,relatime - ext4 /dev/vda rw',
    `42 22 0:39 / /mnt/a\\040b rw,nosuid shared:7 - fuse.skein ${source.replace(' ', '\\040')} rw,user_id=0`,
    '43 22 0:40 / /mnt/other rw - fuse.skein elsewhere rw',
    '44 22 0:41 / /mnt/other rw - tmpfs skein-1:/x rw',
    'not a row',
    '',
  ].join('\n')

  test('mounts of ours have a process and a path', () => {
    const rows = parseMountTable(text)
    expect(rows).toHaveLength(4)
    expect(rows.flatMap((row) => skeinMountOf(row) ?? [])).toEqual([
      { pid: 4711, mountPoint: '/mnt/a b', path: '/data/a b' },
    ])
    expect(mountedAt('/mnt/a b', rows)?.device).toBe('0:39')
    expect(mountedAt('/mnt/other', rows)?.type).toBe('tmpfs')
    expect(mountedAt('/mnt', rows)).toBeUndefined()
  })
})
