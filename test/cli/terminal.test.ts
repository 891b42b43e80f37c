import { describe, expect, it } from 'vitest'
import { painter, plainText, table } from '../../src/cli/terminal.js'

const terminal = { write: () => true, isTTY: true }

describe('colours', () => {
  it('are used on a terminal', () => {
    expect(painter(terminal, {}).red('x')).toBe('\u001b[31mx\u001b[39m')
  })

  it('are left out elsewhere, and when NO_COLOR says so', () => {
    expect(painter({ write: () => true }, {}).red('x')).toBe('x')
    expect(painter(terminal, { NO_COLOR: '1' }).bold('x')).toBe('x')
    expect(painter(terminal, { NO_COLOR: '' }).bold('x')).not.toBe('x')
  })
})

describe('tables', () => {
  it('align columns, whatever the colours', () => {
    const { green } = painter(terminal, {})
    const lines = table([
      ['a', green('ok'), 'end'],
      ['long', 'x'],
    ]).split('\n')
    expect(lines).toEqual([`a     ${green('ok')}  end`, 'long  x', ''])
  })

  it('of no rows are empty', () => {
    expect(table([])).toBe('')
  })
})

describe('text from elsewhere', () => {
  it('stays on its line and commands no terminal', () => {
    expect(plainText('a\u001b[2Jb\r\nc\u0007d\u009bm')).not.toMatch(/\p{Cc}/u)
    expect(plainText('one\ntwo')).toBe('one two')
  })
})
