/** A server program under test: a process of this machine or a container. */
export interface ServerProcess {
  /** `undefined` in a container. */
  readonly pid: number | undefined
  readonly running: boolean
  /** The last that it wrote, for error messages; empty for a container. */
  readonly output: string
  /** Ends it, as a crash would with SIGKILL (default), and waits until it is gone. */
  kill(signal?: NodeJS.Signals): Promise<void>
  /** Stops it in its tracks: its connections stay open and nothing is answered. */
  suspend(): Promise<void>
  resume(): Promise<void>
  /** Starts it again after its end, with the same arguments. Doesn't wait until it answers. */
  start(): Promise<void>
  /** Ends it for good. Idempotent. */
  close(): Promise<void>
}
