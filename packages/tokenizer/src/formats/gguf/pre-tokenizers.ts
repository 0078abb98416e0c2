import { patternSources } from '../../pretokenizers/create.js'

/** How a byte-level vocabulary of a GGUF file cuts text, and what goes without saying for it. */
export interface GgufPreTokenizer {
  /** Regular expressions that cut one after another, each what those before it left; none of them means GPT-2's. */
  readonly splits: readonly string[]
  /** Whether what is left is cut as GPT-2's text. */
  readonly thenGpt2?: boolean
  /** Whether a piece that is a token stays whole, whatever merges would make of it. */
  readonly ignoreMerges?: boolean
  /** Whether the token for the beginning is put in front unless the file says otherwise. */
  readonly addBos?: boolean
}

const { llama3, qwen2, o200k } = patternSources
const digit = String.raw`\p{N}`
const words = String.raw` ?[^(\s|.,!?` + '\u2026\u3002\uff0c\u3001\u0964\u06d4\u060c)]+'

const gpt2: GgufPreTokenizer = { splits: [], thenGpt2: true }
const digitsThenGpt2: GgufPreTokenizer = { splits: [digit], thenGpt2: true }
const llama: GgufPreTokenizer = { splits: [llama3] }
const qwen: GgufPreTokenizer = { splits: [qwen2] }
const bloom: GgufPreTokenizer = { splits: [words] }

/** DeepSeek's letters: those with case in the scripts that have it. */
const cased =
  'A-Za-z\u00b5\u00c0-\u00d6\u00d8-\u00f6\u00f8-\u01ba\u01bc-\u01bf\u01c4-\u0293\u0295-\u02af\u0370-\u0373\u0376\u0377\u037b-\u037d' +
  '\u037f\u0386\u0388-\u038a\u038c\u038e-\u03a1\u03a3-\u03f5\u03f7-\u0481\u048a-\u052f\u0531-\u0556\u10a0-\u10c5\u13a0-\u13f5' +
  '\u13f8-\u13fd\u1c90-\u1cba\u1cbd-\u1cbf\u1d00-\u1d2b\u1d6b-\u1d77\u1d79-\u1d9a\u1e00-\u1f15\u1f18-\u1f1d\u1f20-\u1f45\u1f48-\u1f4d' +
  '\u1f50-\u1f57\u1f59\u1f5b\u1f5d\u1f5f-\u1f7d\u1f80-\u1fb4\u1fb6-\u1fbc\u1fbe\u1fc2-\u1fc4\u1fc6-\u1fcc\u1fd0-\u1fd3\u1fd6-\u1fdb' +
  '\u1fe0-\u1fec\u1ff2-\u1ff4\u1ff6-\u1ffc\u2102\u2107\u210a-\u2113\u2115\u2119-\u211d\u2124\u2126\u2128\u212a-\u212d\u212f-\u2134' +
  '\u2139\u213c-\u213f\u2145-\u2149\u214e\u2183\u2184\u2c00-\u2c7b\u2c7e-\u2ce4\u2ceb-\u2cee\u2cf2\u2cf3\ua640-\ua66d\ua680-\ua69b' +
  '\ua722-\ua76f\ua771-\ua787\ua78b-\ua78e\uab70-\uabbf\ufb00-\ufb06\ufb13-\ufb17\uff21-\uff3a\uff41-\uff5a\u{10400}-\u{1044f}' +
  '\u{104b0}-\u{104d3}\u{104d8}-\u{104fb}\u{10c80}-\u{10cb2}\u{10cc0}-\u{10cf2}\u{118a0}-\u{118df}\u{1e900}-\u{1e943}'
const cjk = '[\u4e00-\u9fa5\u0800-\u4e00\uac00-\ud7ff]+'

/**
 * The values of `tokenizer.ggml.pre` by the names that llama.cpp's converter writes, with the regular expressions of the models' own
 * tokenizers.
 */
export const ggufPreTokenizers: ReadonlyMap<string, GgufPreTokenizer> = new Map<string, GgufPreTokenizer>([
  ...[
    'gpt-2',
    'phi-2',
    'mpt',
    'olmo',
    'jais',
    'jina-es',
    'jina-de',
    'jina-v1-en',
    'jina-v2-es',
    'jina-v2-de',
    'jina-v2-code',
    'gigachat',
    'roberta-bpe',
    'a.x-4.0',
    'mellum',
    'modern-bert',
  ].map((name) => [name, gpt2] as const),
  ...['llama3', 'llama-v3', 'llama-bpe', 'falcon3', 'falcon-h1', 'pixtral', 'midm-2.0', 'lfm2'].map(
    (name) => [name, { ...llama, ignoreMerges: true, addBos: true }] as const,
  ),
  ...['dbrx', 'smaug-bpe', 'chatglm-bpe', 'glm4'].map((name) => [name, llama] as const),
  ...['qwen2', 'stablelm2', 'megrez', 'deepseek-r1-qwen'].map((name) => [name, qwen] as const),
  ...['starcoder', 'refact', 'command-r', 'smollm', 'codeshell', 'exaone', 'minerva-7b'].map((name) => [name, digitsThenGpt2] as const),
  ...['bloom', 'poro-chat', 'gpt3-finnish'].map((name) => [name, bloom] as const),
  ['viking', { splits: [words, digit] }],
  ...['gpt-4o', 'llama4'].map((name) => [name, { splits: [o200k] }] as const),
  ['falcon', { splits: [String.raw`[\p{P}\$\+<=>\^~\|` + '`]+', patternSources.gpt2, '[0-9][0-9][0-9]'] }],
  [
    'deepseek-llm',
    {
      splits: [
        '[\r\n]',
        String.raw`\s?[${cased}]+`,
        String.raw`\s?[!-/:-~` + '\uff01-\uff0f\uff1a-\uff5e\u2018-\u201f\u3000-\u3002]+',
        String.raw`\s+$`,
        cjk,
        String.raw`\p{N}+`,
      ],
    },
  ],
  ['deepseek-coder', { splits: ['[\r\n]', String.raw`\s?\p{L}+`, String.raw`\s?\p{P}+`, cjk, digit] }],
  [
    'deepseek-v3',
    {
      splits: [
        String.raw`\p{N}{1,3}`,
        '[\u4e00-\u9fa5\u3040-\u309f\u30a0-\u30ff]+',
        '[!"#$%&\'()*+,\\-./:;<=>?@\\[\\\\\\]^_`{|}~][A-Za-z]+' +
          String.raw`|[^` +
          '\r\n' +
          String.raw`\p{L}\p{P}\p{S}]?[\p{L}\p{M}]+| ?[\p{P}\p{S}]+[` +
          '\r\n' +
          String.raw`]*|\s*[\r\n]+|\s+(?!\S)|\s+`,
      ],
    },
  ],
  [
    'tekken',
    {
      splits: [
        String.raw`[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+|[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*` +
          String.raw`|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+`,
      ],
      ignoreMerges: true,
      addBos: true,
    },
  ],
])
