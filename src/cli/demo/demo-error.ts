/** Something that the person at the terminal can put right; its message is all that they need to see. */
export class DemoError extends Error {
  constructor(message: string, options?: { cause?: unknown }) {
    super(message, options)
    this.name = 'DemoError'
  }
}
