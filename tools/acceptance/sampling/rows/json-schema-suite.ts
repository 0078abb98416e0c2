// Bar 3: the required tests of JSON-Schema-Test-Suite's 2020-12, and the page that publishes what becomes of them.
import { readFileSync } from 'node:fs'
import { suiteFolder, noSuite, totalOf } from '../../../../packages/sampling/src/__fixtures__/json-schema-suite.js'
import { jsonSchemaPage, suiteResults } from '../../../docs/json-schema.js'
import { atLeast, row, unavailable, type RowSource } from '../../lib/row.js'

const source: RowSource = async () => {
  const folder = suiteFolder()
  if (folder === undefined) return unavailable('JSON-Schema-Test-Suite 2020-12', '0 invalid accepted', noSuite)
  const results = suiteResults(folder)
  const required = totalOf(results.required)
  const all = totalOf([...results.required, ...results.optional, ...results.formats])
  const published = readFileSync(new URL('../../../../docs/json-schema.md', import.meta.url), 'utf8')
  const isCurrent = published === jsonSchemaPage(results)
  return [
    row(
      'JSON-Schema-Test-Suite 2020-12, required: invalid instances that a compiled schema accepts',
      `0 of ${required.tests}`,
      String(required.accepted.length),
      required.tests > 1000 && required.accepted.length === 0,
      required.accepted[0],
    ),
    row(
      'the same with the optional tests and formats',
      `0 of ${all.tests}`,
      String(all.accepted.length),
      all.accepted.length === 0,
      all.accepted[0],
    ),
    atLeast('passed of the required tests', (100 * required.passed) / required.tests, 55, {
      unit: '%',
      digits: 1,
      note: `${required.passed} of ${required.tests}; ${required.refused} of schemas that are refused, ${required.rejected.length} with a valid instance rejected: ${required.rejected.join('; ')}`,
    }),
    row(
      'refusals that do not name a keyword of the schema by its JSON pointer',
      `0 of ${all.refused}`,
      String(all.unnamed.length),
      all.unnamed.length === 0,
      all.unnamed[0] ?? 'refused tests, the optional ones included',
    ),
    row('docs/json-schema.md, the table of results by keyword', 'what this run found', isCurrent ? 'the same' : 'not the same', isCurrent),
  ]
}
export default source
