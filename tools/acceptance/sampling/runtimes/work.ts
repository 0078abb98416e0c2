// What every runtime does: a grammar makes texts of random logits, and each is JSON of its schema. Only what the web has, so that a page, a worker and an edge function can.
import { random } from '@tesserae/core'
import { samplerChain, temperature, topP } from '@tesserae/sampling'
import { grammar, grammarStep, Vocabulary } from '@tesserae/sampling/grammar'

export interface Result {
  readonly texts: readonly string[]
  /** Texts that are no JSON, or not of the schema. */
  readonly invalid: number
  readonly refused: string
}

const TEXTS = 20
const END = 0

const schema = {
  type: 'object',
  properties: {
    name: { type: 'string', minLength: 1, maxLength: 12 },
    age: { type: 'integer', minimum: 0, maximum: 150 },
    tags: { type: 'array', items: { enum: ['red', 'grün', 'blue'] }, maxItems: 3 },
    when: { type: 'string', format: 'date' },
  },
  required: ['name', 'age', 'tags', 'when'],
  additionalProperties: false,
}

export function work(): Result {
  const encoder = new TextEncoder()
  const pieces = ['{"', '":', '","', '"]', '"}', '["', 'name', 'age', 'tags', 'when', 'red', 'gr', 'blue', '20', 'ab', 'é', '日本']
  const tokens = [
    undefined,
    ...Array.from({ length: 256 }, (_, byte) => Uint8Array.of(byte)),
    ...pieces.map((piece) => encoder.encode(piece)),
  ]
  const vocabulary = new Vocabulary(tokens, { end: [END] })
  const compiled = grammar.fromJsonSchema(schema)
  const stream = random(7)
  const texts: string[] = []
  let invalid = 0
  for (let i = 0; i < TEXTS; i++) {
    const matcher = compiled.matcher(vocabulary)
    const sampler = samplerChain([grammarStep(matcher), temperature(1.5), topP(0.99)], { seed: i })
    const bytes: number[] = []
    while (!matcher.isEnded && bytes.length < 500) {
      const id = sampler.choose(Float32Array.from({ length: tokens.length }, () => stream.normal() * 2))
      sampler.accept(id)
      bytes.push(...(tokens[id] ?? []))
    }
    const text = new TextDecoder().decode(Uint8Array.from(bytes))
    texts.push(text)
    if (!matcher.isEnded || !isPerson(text)) invalid++
  }
  let refused = ''
  try {
    grammar.fromJsonSchema({ uniqueItems: true })
  } catch (error) {
    refused = (error as { code: string }).code
  }
  return { texts, invalid, refused }
}

/** By plain code, since a validator of JSON Schema makes functions of text, which edge runtimes forbid. */
function isPerson(text: string): boolean {
  let value: Record<string, unknown>
  try {
    value = JSON.parse(text) as Record<string, unknown>
  } catch {
    return false
  }
  const { name, age, tags, when, ...others } = value
  return (
    Object.keys(others).length === 0 &&
    typeof name === 'string' &&
    name.length > 0 &&
    [...name].length <= 12 &&
    Number.isInteger(age) &&
    (age as number) >= 0 &&
    (age as number) <= 150 &&
    Array.isArray(tags) &&
    tags.length <= 3 &&
    tags.every((tag) => schema.properties.tags.items.enum.includes(tag as string)) &&
    typeof when === 'string' &&
    new Date(`${when}T00:00:00Z`).toISOString().startsWith(when)
  )
}
