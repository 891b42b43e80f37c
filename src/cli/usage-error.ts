/** The command line can't be understood; the command ends with exit code 2. */
export class UsageError extends Error {
  /** The command that tells more. */
  readonly hint: string

  constructor(message: string, hint = 'holdfast --help') {
    super(message)
    this.name = 'UsageError'
    this.hint = hint
  }
}
