import { describe, it } from 'vitest'
import { expectStoryToHold, storyTime } from './story-of.js'

describe('holdfast demo --script --mode non-sticky', () => {
  it('loses no session and fails no request, with embedded storage nodes', { timeout: storyTime }, async () => {
    await expectStoryToHold('non-sticky', '--embedded')
  })

  it('loses no session and fails no request, with the storage that this machine has', {
    timeout: storyTime,
  }, async () => {
    await expectStoryToHold('non-sticky')
  })
})
