/** Every required test of JSON-Schema-Test-Suite's 2020-12, where the suite is there: no invalid instance follows a grammar. */
import { describe, expect, it } from 'vitest'
import { noSuite, runSuite, suiteFiles, suiteFolder } from '../../__fixtures__/json-schema-suite.js'

const folder = suiteFolder()

describe('JSON-Schema-Test-Suite', () => {
  it.skipIf(folder !== undefined)(`is not run: ${noSuite}`, ({ skip }) => skip(noSuite))

  it.each(folder === undefined ? [] : suiteFiles(folder))('%s: takes nothing that is invalid, and names what it refuses', (name) => {
    const [file] = runSuite(folder!, '', {}, [name])
    expect(file!.tests).toBeGreaterThan(0)
    expect(file!.accepted).toEqual([])
    expect(file!.unnamed).toEqual([])
    expect(file!.passed + file!.refused + file!.rejected.length).toBe(file!.tests)
  })
})
