import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import type { EngineMaker } from './contest.js'
import { engineFolder, PACKAGES } from './npm-peers.js'

interface Constraint {
  fillMask(target: Uint32Array): boolean
  commit(id: number): boolean
}

interface EngineModule {
  prepareTokenizer(source: object): void
  createTokenConstraint(source: object, format: { readonly type: 'json_schema'; readonly json_schema: unknown }): Constraint
}

/** Its engine as the package ships it in source, without the processor around it that writes into Transformers.js's tensors. */
export const transformersStructuredOutput: EngineMaker = async ({ tokens, end }) => {
  const path = join(engineFolder(), 'node_modules/@huggingface/transformers-structured-output/src/engine/index.ts')
  const { prepareTokenizer, createTokenConstraint } = (await import(pathToFileURL(path).href)) as EngineModule
  const special = tokens.flatMap((bytes, id) => (bytes === undefined ? [id] : []))
  const source = { tokens: tokens.map((bytes) => bytes ?? new Uint8Array()), eosTokenId: end, specialTokenIds: special }
  const start = performance.now()
  prepareTokenizer(source)
  const bits = new Uint32Array(Math.ceil(tokens.length / 32))
  return {
    preparation: performance.now() - start,
    engine: {
      runtime: PACKAGES['transformers-structured-output'],
      compile: ({ schema }) => {
        // Masks are kept by the schema's object, so that all texts have the same.
        const format = { type: 'json_schema', json_schema: JSON.parse(schema) as unknown } as const
        createTokenConstraint(source, format)
        return {
          follower: () => {
            const constraint = createTokenConstraint(source, format)
            return {
              mask: () => {
                constraint.fillMask(bits)
                return bits
              },
              accept: (id) => void constraint.commit(id),
              end: () => {},
            }
          },
          end: () => {},
        }
      },
    },
  }
}
