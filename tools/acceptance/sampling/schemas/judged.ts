import type { Judge } from '../contests/ajv.js'
import { schemaCases } from './all.js'
import type { JsonSchema, JsonValue } from '@tesserae/sampling/grammar'
import { mutated, randomFrom } from './mutate.js'

/** Values made from each that a case has. */
const MUTANTS = 12
const SEED = 20_260_601

/** A case with its values as compact JSON, told apart by Ajv. */
export interface JudgedCase {
  readonly name: string
  readonly schema: JsonSchema
  readonly isValid: (value: unknown) => boolean
  /** Written by hand. */
  readonly valid: readonly string[]
  /** What became of those written by hand by a change in one place. */
  readonly moreValid: readonly string[]
  readonly invalid: readonly string[]
}

/** @throws Error where a case has no valid value or no invalid one among those written by hand, as only the schema `true` may */
export function judgedCases(judge: Judge): JudgedCase[] {
  return schemaCases.map(({ name, schema, instances, judged }) => {
    const isValid = judge.of(judged ?? schema)
    const [valid, invalid, moreValid] = [new Set<string>(), new Set<string>(), new Set<string>()]
    for (const one of instances) (isValid(one) ? valid : invalid).add(JSON.stringify(one))
    if (valid.size === 0 || (invalid.size === 0 && schema !== true && name !== 'json-itself'))
      throw new Error(`${name} has ${valid.size} valid and ${invalid.size} invalid instances`)
    const below = randomFrom(SEED)
    for (const one of instances.filter((value) => isValid(value)))
      for (let i = 0; i < MUTANTS; i++) {
        const changed = mutated(one as JsonValue, below)
        const text = JSON.stringify(changed)
        if (!isValid(changed)) invalid.add(text)
        else if (!valid.has(text)) moreValid.add(text)
      }
    return { name, schema, isValid, valid: [...valid], moreValid: [...moreValid], invalid: [...invalid] }
  })
}
