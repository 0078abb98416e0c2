/** What the adapters' texts follow. */
export const patterns = {
  regex: '^(été|日本|😀){2,4}-[0-9]{3}$',
  choice: '^(name|name is <call>|names)$',
  call: '^<call>.{5,9}$',
  // Of a large vocabulary too many tokens to ask for by name, and too few to be among the likeliest.
  rare: '^( w1[0-6][0-9a-z]?){4}$',
}
export const schema = {
  type: 'object',
  properties: { name: { type: 'string', maxLength: 8 }, age: { type: 'integer', minimum: 0, maximum: 99 } },
  required: ['name', 'age'],
  additionalProperties: false,
}

export const grammars = (grammar) => ({
  regex: grammar.fromRegex(patterns.regex),
  choice: grammar.choice(['name', 'name is <call>', 'names']),
  call: grammar.fromRegex(patterns.call),
  rare: grammar.fromRegex(patterns.rare),
  schema: grammar.fromJsonSchema(schema),
})
