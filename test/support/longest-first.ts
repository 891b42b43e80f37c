import { BaseSequencer, type TestSpecification } from 'vitest/node'

/** What takes longest, as the beginnings of paths; the first begin first, so that no worker is left with a long one at the end. */
const longest = [
  'test/types/',
  'test/cli/demo/story',
  'test/promises/',
  'test/histories/',
  'test/redis/',
  'test/testing/',
  'test/node/redis-',
  'test/node/near-',
  'test/simulation/',
  'test/non-sticky/',
  'test/node/',
  'test/sticky/',
  'test/lock/',
  'test/cli/',
]

/** Runs the test files that take longest first; the others as usual. */
export default class LongestFirst extends BaseSequencer {
  override async sort(files: TestSpecification[]): Promise<TestSpecification[]> {
    const usual = await super.sort(files)
    const rank = ({ moduleId }: TestSpecification): number => {
      const found = longest.findIndex((beginning) => moduleId.includes(`/${beginning}`))
      return found === -1 ? longest.length : found
    }
    return [...usual].sort((a, b) => rank(a) - rank(b))
  }
}
