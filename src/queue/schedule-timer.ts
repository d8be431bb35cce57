// Why: something has to wake the job master when a schedule is due. It is a wake-up and nothing
// more: which runs are due the job master knows from its journal, so a timer may fire late, twice,
// or (after a flush) not at all.

export interface TimerEntry {
  readonly name: string
  readonly cron: string
  /** IANA. */
  readonly timezone: string
  /** The next time after `afterMs`; undefined when there is none. */
  readonly nextMs: (afterMs: number) => number | undefined
}

/** InProcessScheduleTimer and BullMqScheduleTimer. */
export interface ScheduleTimer {
  /**
   * From now on exactly these fire. Idempotent; brings back what a flush took. @throws SkeinError
   * unavailable when the transport is down
   */
  set(entries: readonly TimerEntry[]): Promise<void>
  close(): Promise<void>
}

/** Called with the name of a schedule when it is due, or later. */
export type OnFire = (name: string) => void
