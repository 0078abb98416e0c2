import { chunkStoreConformance, type StoreMaker, type TestRunner } from '@tesserae/rag/testing'

export interface CheckResult {
  readonly name: string
  /** What went wrong; absent where nothing did. */
  readonly error?: string
}

/** Runs the conformance kit without a test runner, in Node or in a page. */
export async function runConformance(maker: StoreMaker): Promise<CheckResult[]> {
  const tests: { readonly name: string; readonly body: () => Promise<void> }[] = []
  const runner: TestRunner = {
    describe: (_, body) => body(),
    it: (name, body) => void tests.push({ name, body }),
  }
  chunkStoreConformance(runner, maker)
  const results: CheckResult[] = []
  for (const { name, body } of tests) results.push(await check(name, body))
  return results
}

export async function check(name: string, body: () => Promise<void>): Promise<CheckResult> {
  try {
    await body()
    return { name }
  } catch (error) {
    return { name, error: error instanceof Error ? error.message : String(error) }
  }
}
