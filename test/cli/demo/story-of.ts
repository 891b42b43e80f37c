import { expect } from 'vitest'
import { holdfast } from '../built-command.js'
import { isAlive, pidsIn } from './processes.js'

/* As many as it takes for every server and node to have a good share of them; the story is the same with more. */
const visitors = '60'

/** Milliseconds for a story, which gives up by itself before. */
export const storyTime = 400_000

/** Lets the demo tell its story, and expects that it held. */
export async function expectStoryToHold(mode: 'sticky' | 'non-sticky', ...storage: string[]): Promise<void> {
  const command = holdfast(['demo', '--script', '--visitors', visitors, '--mode', mode, ...storage])
  try {
    const { code, stdout } = await command.ended
    expect(stdout).toMatch(/^sessions lost +0$/m)
    expect(stdout).toMatch(/^requests failed +0 /m)
    expect(stdout).not.toContain('FAIL')
    expect(code).toBe(0)
    expect(pidsIn(stdout).filter(isAlive)).toEqual([])
  } finally {
    command.child.kill('SIGTERM')
    await command.ended
  }
}
