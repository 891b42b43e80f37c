import { describe, expect, it } from 'vitest'
import { RateLimitedLog } from '../../src/manager/context/rate-limited-log.js'
import { createManualClock } from '../../src/testing/manual-clock.js'

describe('the rate-limited log', () => {
  it('lets one message of a kind through a minute, and tells how many it held back', () => {
    const clock = createManualClock()
    const log = new RateLimitedLog(clock)
    const lines: string[] = []
    const write = (kind: string, message: string): void => log.write(kind, message, (line) => lines.push(line))
    for (let i = 0; i < 100; i++) write('backup', `failed ${i}`)
    write('cookie', 'insecure')
    clock.advance(59_999)
    write('backup', 'failed again')
    expect(lines).toEqual(['failed 0', 'insecure'])
    clock.advance(1)
    write('backup', 'still failing')
    write('cookie', 'insecure still')
    expect(lines.slice(2)).toEqual(['still failing (100 more like this since the last such line)', 'insecure still'])
    clock.advance(60_000)
    write('backup', 'and again')
    expect(lines.at(-1)).toBe('and again')
  })
})
