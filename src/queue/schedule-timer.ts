// Why: something has to wake the job master when a schedule is due. The timer only wakes it: the
// job master knows from its journal which runs are due. So a timer may fire late, twice, or (after
// a flush) not at all.

export interface TimerEntry {
  readonly name: string
  readonly cron: string
  /** An IANA time zone. */
  readonly timezone: string
  /** The next time after `afterMs`; undefined when there is none. */
  readonly nextMs: (afterMs: number) => number | undefined
}

/** InProcessScheduleTimer and BullMqScheduleTimer. */
export interface ScheduleTimer {
  /**
   * Replaces all entries. Idempotent; restores entries that a flush removed.
   * @throws SkeinError unavailable when the transport is down
   */
  set(entries: readonly TimerEntry[]): Promise<void>
  close(): Promise<void>
}

/** Called with the name of a schedule when it is due, or later. */
export type OnFire = (name: string) => void
