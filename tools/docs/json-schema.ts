/**
 * The page of what is held to of JSON Schema, made from the results of JSON-Schema-Test-Suite.
 * `npx tsx --conditions=@tesserae/source tools/docs/write-json-schema.ts` writes docs/json-schema.md; the row `json-schema-suite` of the
 * acceptance bars tells whether it is current.
 */
import { runSuite, totalOf, type SuiteFile } from '../../packages/sampling/src/__fixtures__/json-schema-suite.js'

export interface SuiteResults {
  readonly required: readonly SuiteFile[]
  readonly optional: readonly SuiteFile[]
  readonly formats: readonly SuiteFile[]
}

export const suiteResults = (folder: string): SuiteResults => ({
  required: runSuite(folder),
  optional: runSuite(folder, 'optional'),
  formats: runSuite(folder, 'optional/format'),
})

/** Keywords, how far they are held to, and the suite's files that try it. */
const keywords: readonly (readonly [keywords: string, support: string, files: readonly string[]])[] = [
  ['`type`, `const`, `enum`, booleans as schemas', 'exactly', ['type', 'const', 'enum', 'boolean_schema']],
  [
    '`minimum`, `maximum`, `exclusiveMinimum`, `exclusiveMaximum`',
    'exactly, digit by digit',
    ['minimum', 'maximum', 'exclusiveMinimum', 'exclusiveMaximum'],
  ],
  ['`multipleOf`', 'exactly; refused where telling multiples takes too many remainders', ['multipleOf']],
  ['`minLength`, `maxLength`', 'exactly, in code points; counted, never written out', ['minLength', 'maxLength']],
  [
    '`pattern`',
    'exactly, as ECMAScript reads it with the flag `u`; back references, word boundaries and looking behind are refused',
    ['pattern'],
  ],
  ['`format`', 'asserted for the formats below; unknown ones are notes', ['format']],
  [
    '`properties`, `required`, `additionalProperties`, `patternProperties`',
    'exactly',
    ['properties', 'required', 'additionalProperties', 'patternProperties'],
  ],
  ['`propertyNames`, `minProperties`, `maxProperties`', 'exactly', ['propertyNames', 'minProperties', 'maxProperties']],
  ['`dependentRequired`, `dependentSchemas`, `dependencies`', 'exactly', ['dependentRequired', 'dependentSchemas']],
  ['`items`, `prefixItems`, `additionalItems`, `minItems`, `maxItems`', 'exactly', ['items', 'prefixItems', 'minItems', 'maxItems']],
  ['`contains`, `minContains`, `maxContains`', 'exactly', ['contains', 'minContains', 'maxContains']],
  ['`uniqueItems`', 'where items are one of a few values, or one item at most; refused elsewhere', ['uniqueItems']],
  [
    '`allOf`, `anyOf`, `oneOf`, `not`, `if`, `then`, `else`',
    'exactly; refused where they say too many different things together',
    ['allOf', 'anyOf', 'oneOf', 'not', 'if-then-else'],
  ],
  [
    '`unevaluatedItems`, `unevaluatedProperties`',
    'exactly; refused where what was looked at has too many cases',
    ['unevaluatedItems', 'unevaluatedProperties'],
  ],
  [
    '`$ref`, `$defs`, `$id`, `$anchor`, `$dynamicRef`, `$recursiveRef`',
    'exactly, also recursive and to other documents, which are given with `schemas`; nothing is fetched',
    ['ref', 'refRemote', 'defs', 'anchor', 'dynamicRef', 'infinite-loop-detection'],
  ],
  ['`$vocabulary`', 'not looked at: all keywords say what they say in the dialect', ['vocabulary']],
  [
    '`title`, `description`, `default`, `examples`, `$comment`, `readOnly`, `writeOnly`, `deprecated`, `contentEncoding`, `contentMediaType`, `contentSchema`',
    'notes, which say nothing of what is valid',
    ['default', 'content'],
  ],
]

const table = (head: readonly string[], rows: readonly (readonly (string | number)[])[]): string =>
  [head, head.map(() => '---'), ...rows]
    .map((cells) => `| ${cells.map((cell) => String(cell).replaceAll('|', '\\|')).join(' | ')} |`)
    .join('\n')

const rowOf = ({ name, tests, passed, refused, rejected, accepted }: SuiteFile): (string | number)[] => [
  `\`${name}\``,
  tests,
  passed,
  refused || '',
  rejected.length || '',
  accepted.length,
]

function figures(files: readonly SuiteFile[]): string {
  const { tests, passed, refused, rejected, accepted } = totalOf(files)
  return table(
    ['file', 'tests', 'passed', 'refused', 'valid rejected', 'invalid accepted'],
    [...files.map(rowOf), ['**all**', tests, passed, refused, rejected.length, accepted.length]],
  )
}

/** Of the keywords of a row, by the suite: how many tests pass. */
function passedOf(files: readonly SuiteFile[], names: readonly string[]): string {
  const { tests, passed } = totalOf(files.filter(({ name }) => names.includes(name)))
  return `${passed} of ${tests}`
}

function refusals(files: readonly SuiteFile[]): string {
  const rows = files.flatMap(({ name, reasons }) => [...reasons].map(([reason, tests]) => [`\`${name}\``, reason, tests]))
  return table(['file', 'what is refused, and why', 'tests'], rows)
}

const list = (titles: readonly string[]): string => titles.map((title) => `- ${title}`).join('\n')

/** The page as Markdown. */
export function jsonSchemaPage({ required, optional, formats }: SuiteResults): string {
  const all = totalOf(required)
  const more = totalOf(optional)
  const known = totalOf(formats)
  return `# JSON Schema

What \`grammar.fromJsonSchema\` of \`@tesserae/sampling/grammar\` holds generated text to. Generated by \`tools/docs/write-json-schema.ts\` from the
results of [JSON-Schema-Test-Suite](https://github.com/json-schema-org/JSON-Schema-Test-Suite), 2020-12.

Every text of the grammar is valid by the schema: of ${all.tests + more.tests + known.tests} tests, ${all.accepted.length + more.accepted.length + known.accepted.length} have an invalid instance that follows its grammar. What cannot be held
to is refused with an error that lists it by JSON pointers; with \`lenient: true\` it is left out.

Of the ${all.tests} tests that are required, ${all.passed} pass (${((100 * all.passed) / all.tests).toFixed(1)} %), ${all.refused} are of schemas that are refused, and in ${all.rejected.length} a valid instance is rejected.

## Keywords

${table(
  ['keywords', 'held to', 'tests passed'],
  keywords.map(([names, support, files]) => [names, support, passedOf(required, files)]),
)}

## Required tests

${figures(required)}

Instances in JSON as \`JSON.stringify\` writes them, with \`keyOrder: 'any'\` and \`formats: 'annotate'\`.

### Refused

${refusals(required)}

### Valid, and rejected

${list(all.rejected)}

## Optional tests

${figures(optional)}

Valid, and rejected:

${list(more.rejected)}

## Formats

With \`formats: 'assert'\`, which is the default. Where a format cannot be said exactly, fewer texts are taken, and never one that is not of the
format: addresses and names are those of ASCII, and a minute has sixty seconds.

${figures(formats)}

Refused:

${refusals(formats)}
`
}
