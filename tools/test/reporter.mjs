// A Vitest reporter that writes counts, failures and the reasons of skips for tools/test/run.mjs to add up.
import { writeFileSync } from 'node:fs'
import { relative } from 'node:path'

export default class SummaryReporter {
  onTestRunEnd(modules, unhandledErrors) {
    const summary = { passed: 0, failed: 0, failures: [], skipped: [] }
    const fail = (name) => {
      summary.failed++
      summary.failures.push(name)
    }
    for (const module of modules) {
      const file = relative(process.cwd(), module.moduleId)
      let count = 0
      for (const test of module.children.allTests()) {
        count++
        const name = `${file} > ${test.fullName}`
        const { state, note } = test.result()
        if (state === 'passed') summary.passed++
        else if (state === 'failed') fail(name)
        else summary.skipped.push({ name, reason: note })
      }
      // A file that did not even load has no tests to count; one whose suites' hooks failed has errors besides its tests.
      if (count === 0 && module.state() === 'failed') fail(file)
    }
    for (const error of unhandledErrors) fail(`unhandled error: ${error.message}`)
    const path = process.env.TESSERAE_TEST_SUMMARY
    if (path) writeFileSync(path, JSON.stringify(summary))
  }
}
