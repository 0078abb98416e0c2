import { arrayCases } from './arrays.js'
import type { SchemaCase } from './case.js'
import { combinedCases } from './combined.js'
import { documentCases } from './documents.js'
import { numberCases } from './numbers.js'
import { objectCases } from './objects.js'
import { recursiveCases } from './recursive.js'
import { stringCases } from './strings.js'

/** The committed schemas, of as many kinds as people write. */
export const schemaCases: readonly SchemaCase[] = [
  ...objectCases,
  ...stringCases,
  ...numberCases,
  ...arrayCases,
  ...combinedCases,
  ...recursiveCases,
  ...documentCases,
]
