// Why: every size that a person writes or reads is parsed or printed here. How: units are powers of
// 1024, as in GooseFS.
import { SkeinError } from './errors.ts'

const unitBytes: Readonly<Record<string, number>> = {
  '': 1,
  B: 1,
  K: 1024,
  KB: 1024,
  M: 1024 ** 2,
  MB: 1024 ** 2,
  G: 1024 ** 3,
  GB: 1024 ** 3,
  T: 1024 ** 4,
  TB: 1024 ** 4,
  P: 1024 ** 5,
  PB: 1024 ** 5,
}
const sizePattern = /^(\d+(?:\.\d+)?)\s*([A-Za-z]{0,3})$/

/**
 * `128MB`, `1.5 gb`, `4096` -> bytes. Units are powers of 1024; names such as `KiB` mean the same.
 * @throws SkeinError invalid_argument when the text is not a size, is negative or is above 2^53
 */
export function parseBytes(text: string): number {
  const match = sizePattern.exec(text.trim())
  const unit = match === null ? undefined : unitBytes[(match[2] ?? '').toUpperCase().replace('IB', 'B')]
  const bytes = unit === undefined ? Number.NaN : Math.round(Number(match?.[1]) * unit)
  if (!Number.isSafeInteger(bytes)) {
    throw new SkeinError(
      'invalid_argument',
      `'${text}' is not a size: write a number with B, KB, MB, GB or TB, such as 128MB`,
    )
  }
  return bytes
}

/**
 * Bytes as GooseFS prints them: `0B`, `14B`, `12.00MB`, `1500.00GB`. A value goes up a unit only
 * when it is above five of the next one (Alluxio's FormatUtils.getSizeFromBytes), which is why 1500
 * GB is not 1.46 TB.
 */
export function formatBytes(bytes: number): string {
  const units = ['KB', 'MB', 'GB', 'TB', 'PB']
  if (bytes <= 5 * 1024) return `${Math.round(bytes)}B`
  let value = bytes / 1024
  let unit = 0
  while (value > 5 * 1024 && unit < units.length - 1) {
    value /= 1024
    unit += 1
  }
  return `${value.toFixed(2)}${units[unit] ?? ''}`
}
