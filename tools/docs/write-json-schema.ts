import { writeFileSync } from 'node:fs'
import { noSuite, suiteFolder } from '../../packages/sampling/src/__fixtures__/json-schema-suite.js'
import { jsonSchemaPage, suiteResults } from './json-schema.js'

const folder = suiteFolder()
if (folder === undefined) throw new Error(noSuite)
writeFileSync(new URL('../../docs/json-schema.md', import.meta.url), jsonSchemaPage(suiteResults(folder)))
