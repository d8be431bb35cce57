// Why: what is mounted where, and by whom, decides whether a mount may go on, and is what
// `skein fuse stat` lists. How: the kernel's own table (/proc/self/mountinfo, see proc(5)). The
// source of a mount of ours names its process and its path. Pure but for one read.
import { readFileSync } from 'node:fs'

export const mountType = 'fuse.skein'
const sourcePattern = /^skein-(\d+):(\/.*)$/s

export interface MountRow {
  readonly mountPoint: string
  readonly type: string
  readonly source: string
  /** `major:minor` of its device. */
  readonly device: string
}

/** A mount of ours. */
export interface SkeinMount {
  readonly pid: number
  readonly mountPoint: string
  /** Of the cluster. */
  readonly path: string
}

export function sourceOf(pid: number, path: string): string {
  return `skein-${pid}:${path}`
}

export function readMountTable(): MountRow[] {
  return parseMountTable(readFileSync('/proc/self/mountinfo', 'utf8'))
}

/** The rows in the order of mounting: of two at one place the last one is seen. */
export function parseMountTable(text: string): MountRow[] {
  return text.split('\n').flatMap((line) => {
    const [left = '', right = ''] = line.split(' - ')
    const [, , device, , mountPoint] = left.split(' ')
    const [type, source] = right.split(' ')
    if (device === undefined || mountPoint === undefined || type === undefined || source === undefined) return []
    return [{ mountPoint: unescaped(mountPoint), type, source: unescaped(source), device }]
  })
}

/** What is mounted at a place. */
export function mountedAt(mountPoint: string, rows: readonly MountRow[]): MountRow | undefined {
  return rows.findLast((row) => row.mountPoint === mountPoint)
}

/** Undefined for a mount of others. */
export function skeinMountOf({ type, source, mountPoint }: MountRow): SkeinMount | undefined {
  const match = type === mountType ? sourcePattern.exec(source) : null
  if (match?.[1] === undefined || match[2] === undefined) return undefined
  return { pid: Number(match[1]), mountPoint, path: match[2] }
}

/** Blanks, tabs, line ends and backslashes are octal there. */
function unescaped(text: string): string {
  return text.replaceAll(/\\([0-7]{3})/g, (_, code: string) => String.fromCharCode(Number.parseInt(code, 8)))
}
