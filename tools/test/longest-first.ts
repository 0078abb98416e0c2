import type { TestSpecification } from 'vitest/node'
import { BaseSequencer } from 'vitest/node'

/** Where tests wait for browsers, databases, processes or trainings; each takes longer than most folders of tests together. */
const longest = [
  'tests/apps/docs.test',
  'tests/browser/browser.test',
  '/store/pglite/',
  '/generate/stories.test',
  'examples/',
  'tools/remedies/',
  '/run/node/checkpoint.test',
  '/train/node/ranks.test',
  '/parallel/node/',
  '/testing/conformance.test',
  'tests/',
  'packages/rlhf/src/trainers/',
]

/** Starts what takes longest first, so that no thread is left with it at the end. The rest as Vitest has it, large files first. */
export class LongestFirst extends BaseSequencer {
  override async sort(files: TestSpecification[]): Promise<TestSpecification[]> {
    const rank = ({ moduleId }: TestSpecification): number => {
      const at = longest.findIndex((part) => moduleId.includes(part))
      return at < 0 ? longest.length : at
    }
    return (await super.sort(files)).sort((a, b) => rank(a) - rank(b)) // a stable sort
  }
}
