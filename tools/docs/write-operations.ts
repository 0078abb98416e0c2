import { writeFileSync } from 'node:fs'
import { operationsPage } from './operations.js'

writeFileSync(new URL('../../docs/operations.md', import.meta.url), operationsPage())
