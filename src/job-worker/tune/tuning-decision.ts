// Why: a setting that changes by itself must say why, in words that a person understands without
// the code. How: each decision has a reason for metrics and a sentence for logs and reports. Pure.
import { formatBytes } from '../../base/bytes.ts'

/** What is tuned at one store. */
export interface TuningSettings {
  /** Ranges in flight. */
  readonly reads: number
  /** Bytes of a range. */
  readonly rangeBytes: number
}

export type TuningChange = 'increase' | 'decrease'

/**
 * `throughput`: it may grow, or fewer reads cost some. `no_gain`: more reads brought nothing.
 * `slow_down`: the store asked. `recovery`: it asks no longer. `latency`: the first byte takes
 * longer. `distance`: it does so with fewer reads, too. `memory`: the read budget is used up.
 */
export type TuningReason = 'throughput' | 'no_gain' | 'slow_down' | 'recovery' | 'latency' | 'distance' | 'memory'

export interface TuningDecision {
  readonly change: TuningChange
  readonly reason: TuningReason
  readonly before: TuningSettings
  readonly after: TuningSettings
  /** One clause. */
  readonly why: string
}

/** `6 -> 12 reads at once: reads wait for their turn`. */
export function decisionText({ before, after, why }: Pick<TuningDecision, 'before' | 'after' | 'why'>): string {
  const parts = [
    ...(before.reads === after.reads ? [] : [`${before.reads} -> ${after.reads} reads at once`]),
    ...(before.rangeBytes === after.rangeBytes
      ? []
      : [`ranges of ${megabytes(before.rangeBytes)} -> ${megabytes(after.rangeBytes)}`]),
  ]
  return `${parts.join(', ')}: ${why}`
}

export const waitingText = 'reads wait for their turn'
export const memoryText = 'the read budget is used up'
export const recoveryText = 'the store no longer asks to slow down'
export const distanceText =
  'the store has become slower or more distant: fewer reads at once do not make the first byte faster'

export function slowDownText(share: number): string {
  return `the store asks to slow down in ${percent(share)} of its answers`
}

export function latencyText(baseMs: number, nowMs: number): string {
  return `the first byte takes ${milliseconds(nowMs)} instead of ${milliseconds(baseMs)}, and throughput does not grow`
}

export function rangeText(share: number): string {
  return `waiting for the first byte takes ${percent(Math.min(1, share))} of the time of a range`
}

/** What settings brought; `ratio`: throughput with them, divided by throughput before. */
export function gainText(settings: TuningSettings, tried: 'reads' | 'range', ratio: number): string {
  const what = tried === 'reads' ? `${settings.reads} reads` : `ranges of ${megabytes(settings.rangeBytes)}`
  const change = Math.round(Math.abs(ratio - 1) * 100)
  if (change === 0) return `${what} brought the same throughput`
  return `${what} brought ${change} % ${ratio > 1 ? 'more' : 'less'} throughput`
}

/** `4MB`, as in a properties file. */
function megabytes(bytes: number): string {
  const whole = bytes / 1024 ** 2
  return Number.isInteger(whole) ? `${whole}MB` : formatBytes(bytes)
}

function percent(share: number): string {
  return `${Math.max(1, Math.round(share * 100))} %`
}

function milliseconds(ms: number): string {
  return `${ms < 10 ? ms.toFixed(1) : Math.round(ms)} ms`
}
