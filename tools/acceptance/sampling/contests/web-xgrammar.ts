import { copyFileSync, existsSync } from 'node:fs'
import { createRequire } from 'node:module'
import { join } from 'node:path'
import type { EngineMaker, RawVocabulary } from './contest.js'
import { engineFolder, PACKAGES } from './npm-peers.js'

interface Handle {
  dispose(): void
}

interface Matcher extends Handle {
  getNextTokenBitmask(): Promise<Int32Array>
  acceptToken(id: number): boolean
}

interface Library {
  readonly TokenizerInfo: {
    createTokenizerInfo(tokens: string[], type: string, prependsSpace: boolean, size: number, stop: number[]): Promise<Handle>
  }
  readonly GrammarCompiler: {
    createGrammarCompiler(
      info: Handle,
      isCached: boolean,
    ): Promise<{
      compileJSONSchema(
        schema: string,
        anyWhitespace: boolean,
        indent: number,
        separators: [string, string],
        strict: boolean,
      ): Promise<Handle>
    }>
  }
  readonly GrammarMatcher: { createGrammarMatcher(compiled: Handle): Promise<Matcher> }
}

/** The package says that it is an ES module, and its file is none: under another ending Node takes it for what it is. */
function load(): Library {
  const folder = join(engineFolder(), 'node_modules/@mlc-ai/web-xgrammar/lib')
  const copy = join(folder, 'index.cjs')
  if (!existsSync(copy)) copyFileSync(join(folder, 'index.js'), copy)
  return createRequire(import.meta.url)(copy) as Library
}

/** Bytes as GPT-2 writes them: each a visible character. */
function byteLevel({ tokens }: RawVocabulary): string[] {
  const characters: string[] = []
  for (let byte = 0, next = 256; byte < 256; byte++) {
    const isVisible = (byte >= 0x21 && byte <= 0x7e) || (byte >= 0xa1 && byte <= 0xac) || byte >= 0xae
    characters.push(String.fromCharCode(isVisible ? byte : next++))
  }
  return tokens.map((bytes) => (bytes === undefined ? '' : Array.from(bytes, (byte) => characters[byte]!).join('')))
}

export const webXgrammar: EngineMaker = async (vocabulary) => {
  const { TokenizerInfo, GrammarCompiler, GrammarMatcher } = load()
  const encoded = byteLevel(vocabulary)
  const start = performance.now()
  const info = await TokenizerInfo.createTokenizerInfo(encoded, 'byte_level', false, encoded.length, [vocabulary.end])
  const compiler = await GrammarCompiler.createGrammarCompiler(info, false)
  return {
    preparation: performance.now() - start,
    engine: {
      runtime: PACKAGES['web-xgrammar'],
      // Compact text as ours in one line, and not its strict mode, which takes objects and arrays for closed.
      compile: async ({ schema }) => {
        const compiled = await compiler.compileJSONSchema(schema, false, -1, [',', ':'], false)
        return {
          follower: async () => {
            const matcher = await GrammarMatcher.createGrammarMatcher(compiled)
            return {
              mask: () => matcher.getNextTokenBitmask(),
              accept: (id) => {
                if (!matcher.acceptToken(id)) throw new Error(`token ${id} was in the mask and is not accepted`)
              },
              end: () => matcher.dispose(),
            }
          },
          end: () => compiled.dispose(),
        }
      },
    },
  }
}
