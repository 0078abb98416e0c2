import type { HostileCase } from './case.js'
import { binaryFiles } from './binary-files.js'
import { fuzzed } from './fuzzed.js'
import { jsonFiles } from './json-files.js'
import { templates } from './templates.js'

export const cases: readonly HostileCase[] = [...jsonFiles, ...binaryFiles, ...templates, ...fuzzed]
