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
const words = String.raw` ?[^(\s|[.,!?…。，、।۔،])]+`

const gpt2: GgufPreTokenizer = { splits: [], thenGpt2: true }
const digitsThenGpt2: GgufPreTokenizer = { splits: [digit], thenGpt2: true }
const llama: GgufPreTokenizer = { splits: [llama3] }
const qwen: GgufPreTokenizer = { splits: [qwen2] }
const bloom: GgufPreTokenizer = { splits: [words] }

/** DeepSeek's letters: those with case in the scripts that have it. */
const cased =
  'A-Za-zµÀ-ÖØ-öø-ƺƼ-ƿǄ-ʓʕ-ʯͰ-ͳͶͷͻ-ͽͿΆΈ-ΊΌΎ-ΡΣ-ϵϷ-ҁҊ-ԯԱ-ՖႠ-ჅᎠ-Ᏽᏸ-ᏽᲐ-ᲺᲽ-Ჿᴀ-ᴫᵫ-ᵷᵹ-ᶚḀ-ἕἘ-Ἕἠ-ὅὈ-Ὅὐ-ὗὙὛὝὟ-ώᾀ-ᾴᾶ-ᾼιῂ-ῄῆ-ῌῐ-ΐῖ-Ίῠ-Ῥῲ-ῴῶ-ῼℂℇℊ-ℓℕℙ-ℝℤΩℨK-ℭℯ-ℴℹℼ-ℿⅅ-ⅉⅎↃↄ' +
  'Ⰰ-ⱻⱾ-ⳤⳫ-ⳮⳲⳳꙀ-ꙭꚀ-ꚛꜢ-ꝯꝱ-ꞇꞋ-ꞎꭰ-ꮿﬀ-ﬆﬓ-ﬗＡ-Ｚａ-ｚ𐐀-𐑏𐒰-𐓓𐓘-𐓻𐲀-𐲲𐳀-𐳲𑢠-𑣟𞤀-𞥃'
const cjk = '[一-龥ࠀ-一가-퟿]+'

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
      splits: ['[\r\n]', String.raw`\s?[${cased}]+`, String.raw`\s?[!-/:-~！-／：-～‘-‟　-。]+`, String.raw`\s+$`, cjk, String.raw`\p{N}+`],
    },
  ],
  ['deepseek-coder', { splits: ['[\r\n]', String.raw`\s?\p{L}+`, String.raw`\s?\p{P}+`, cjk, digit] }],
  [
    'deepseek-v3',
    {
      splits: [
        String.raw`\p{N}{1,3}`,
        '[一-龥぀-ゟ゠-ヿ]+',
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
