// Why: what came of a command reads the same, wherever the command ran.

export interface CommandResult {
  readonly code: number | null
  readonly stdout: string
  readonly stderr: string
  /** stdout as it came, for what is no text. */
  readonly bytes: Buffer
}
