import { describe, expect, it } from 'vitest'
import { describePayload, EventLog } from '../../../src/cli/demo/event-log.js'
import { TerminalLog } from '../../../src/cli/demo/terminal-log.js'

describe('the log in the terminal', () => {
  it('prints the first of many equal events and counts the others', () => {
    const lines: string[] = []
    const terminal = new TerminalLog((line) => lines.push(line))
    for (let i = 0; i < 100; i++) terminal.print({ at: i, source: 'a', name: 'takenOver', detail: `handle=${i}` })
    terminal.print({ at: 100, source: 'b', name: 'takenOver', detail: 'handle=x' })
    terminal.flush()
    expect(lines).toHaveLength(6)
    expect(lines[0]).toMatch(/^\d\d:\d\d:\d\d\.000 {2}a {9}takenOver {5}handle=0$/)
    expect(lines.at(-1)).toContain('… and 96 more')
  })
})

describe('the log of events', () => {
  it('remembers the last 200', () => {
    const log = new EventLog()
    for (let i = 0; i < 250; i++) log.publish('a', 'created', String(i))
    expect(log.recent()).toHaveLength(200)
    expect(log.recent()[0]?.detail).toBe('50')
  })

  it('describes a payload, whatever it holds', () => {
    expect(describePayload({ handle: 'x', node: undefined, nested: { a: 1 } })).toBe('handle=x nested={"a":1}')
    expect(describePayload(undefined)).toBe('')
    expect(describePayload('text')).toBe('text')
  })
})
