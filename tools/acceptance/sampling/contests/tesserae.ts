import { grammar, Vocabulary } from '@tesserae/sampling/grammar'
import type { EngineMaker } from './contest.js'

export const tesserae: EngineMaker = ({ tokens, end }) => {
  const start = performance.now()
  const vocabulary = new Vocabulary(tokens, { end: [end] })
  const preparation = performance.now() - start
  return Promise.resolve({
    preparation,
    engine: {
      runtime: '@tesserae/sampling',
      compile: ({ schema, anyOrder, dialect }) => {
        const compiled = grammar.fromJsonSchema(JSON.parse(schema), {
          keyOrder: anyOrder ? 'any' : 'schema',
          ...(dialect === undefined ? {} : { dialect }),
        })
        compiled.matcher(vocabulary)
        return {
          follower: () => {
            const matcher = compiled.matcher(vocabulary)
            const bits = new Uint32Array(vocabulary.words)
            return { mask: () => matcher.mask(bits), accept: (id) => matcher.accept(id), end: () => {} }
          },
          end: () => {},
        }
      },
    },
  })
}
