import { closed, integer, number, type SchemaCase } from './case.js'

export const numberCases: readonly SchemaCase[] = [
  {
    name: 'integer-bounds',
    schema: closed({
      percent: { ...integer, minimum: 0, maximum: 100 },
      year: { ...integer, minimum: 1900, exclusiveMaximum: 2100 },
      offset: { ...integer, exclusiveMinimum: -1000, maximum: -7 },
      large: { ...integer, minimum: 1_000_000_000_000 },
    }),
    instances: [
      { percent: 0, year: 1900, offset: -999, large: 1_000_000_000_000 },
      { percent: 100, year: 2099, offset: -7, large: 9_007_199_254_740_991 },
      { percent: 101, year: 1900, offset: -7, large: 1_000_000_000_000 },
      { percent: 1.5, year: 1900, offset: -7, large: 1_000_000_000_000 },
      { percent: 0, year: 2100, offset: -7, large: 1_000_000_000_000 },
      { percent: 0, year: 1900, offset: -1000, large: 1_000_000_000_000 },
      { percent: 0, year: 1900, offset: -7, large: 999_999_999_999 },
    ],
  },
  {
    name: 'decimal-bounds',
    schema: closed({
      probability: { ...number, minimum: 0, maximum: 1 },
      latitude: { ...number, minimum: -90, maximum: 90 },
      open: { ...number, exclusiveMinimum: 0.125, exclusiveMaximum: 7.25 },
      small: { ...number, minimum: -1.5e-3, maximum: 2.5e-2 },
    }),
    instances: [
      { probability: 0.5, latitude: -89.999, open: 0.1250001, small: 0.025 },
      { probability: 1, latitude: 90, open: 7, small: -0.0015 },
      { probability: 1.0001, latitude: 0, open: 1, small: 0 },
      { probability: 1, latitude: -90.5, open: 1, small: 0 },
      { probability: 1, latitude: 0, open: 0.125, small: 0 },
      { probability: 1, latitude: 0, open: 7.25, small: 0 },
      { probability: 1, latitude: 0, open: 1, small: 0.0251 },
    ],
  },
  {
    // Bounds keep what comes within what doubles, and so Ajv, divide exactly enough.
    name: 'multiples',
    schema: closed({
      price: { ...number, multipleOf: 0.01, minimum: 0, maximum: 10_000 },
      dozens: { ...integer, multipleOf: 12, minimum: -1_000_000, maximum: 1_000_000 },
      halves: { ...number, multipleOf: 0.5, minimum: -1000, maximum: 1000 },
      both: { ...integer, allOf: [{ multipleOf: 4 }, { multipleOf: 6 }], minimum: 0, maximum: 100_000 },
    }),
    instances: [
      { price: 19.99, dozens: 144, halves: -2.5, both: 24 },
      { price: 0, dozens: -12, halves: 7, both: 0 },
      { price: 19.999, dozens: 144, halves: 1, both: 24 },
      { price: 1, dozens: 13, halves: 1, both: 24 },
      { price: 1, dozens: 12, halves: 0.25, both: 24 },
      { price: 1, dozens: 12, halves: 1, both: 16 },
    ],
  },
  {
    name: 'ranges-by-choice',
    schema: {
      type: 'array',
      items: {
        anyOf: [{ ...integer, maximum: -10 }, { ...integer, minimum: 10, maximum: 19 }, { ...number, minimum: 100.5 }, { const: 42 }],
      },
    },
    instances: [[], [-10, 10, 19, 100.5, 42, -99999, 1e6], [0], [20], [100.4], [-9.5], ['10']],
  },
  {
    name: 'numbers-alone',
    schema: number,
    instances: [0, -0.5, 1e30, 1.5e-7, 123456789, '1', null, [1]],
  },
]
