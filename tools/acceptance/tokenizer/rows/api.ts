// What the API promises: by Python's tiktoken, Hugging Face tokenizers and transformers where these promise the same, else by what a plain reading computes.
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import {
  Tokenizer,
  type Encoding,
  type EncodeWithOffsetsOptions,
  type PaddingOptions,
  type SpecialPolicy,
  type TruncationOptions,
} from '@tesserae/tokenizer'
import { fuzzedChats } from '../api/chats.js'
import * as promises from '../api/promises.js'
import { chats, jsonOf, llama2c, modelOf, moby, rankFile } from '../hostile/valid.js'
import { pythonWith, runForJson } from '../../lib/peers.js'
import { row, unavailable, type Row, type RowSource } from '../../lib/row.js'
import { fuzzTexts, randomFrom } from '../texts/fuzz.js'

const STRINGS = 500
const CHATS = 50
const SEED = 20_260_501
const NAMES = ['bert', 'gpt2', 'llama2', 't5']
const SPECIAL = { '<|endoftext|>': 1023, '<|im_start|>': 1024, '<|im_end|>': 1025 }

interface Rule {
  readonly pair: boolean
  readonly addSpecial: boolean
  readonly truncation?: Required<TruncationOptions>
  readonly padding?: PaddingOptions & { readonly id: number }
}

const cut = (maxLength: number, stride: number, side: 'left' | 'right', strategy: Required<TruncationOptions>['strategy']) => ({
  maxLength,
  stride,
  side,
  strategy,
})
const rules: readonly Rule[] = [
  { pair: false, addSpecial: true },
  { pair: true, addSpecial: true },
  { pair: true, addSpecial: false },
  { pair: false, addSpecial: true, truncation: cut(8, 2, 'right', 'longest_first') },
  { pair: false, addSpecial: false, truncation: cut(5, 0, 'left', 'longest_first') },
  { pair: true, addSpecial: true, truncation: cut(16, 3, 'right', 'longest_first') },
  { pair: true, addSpecial: true, truncation: cut(12, 1, 'left', 'longest_first') },
  { pair: true, addSpecial: true, truncation: cut(20, 2, 'right', 'only_first') },
  { pair: true, addSpecial: true, truncation: cut(20, 2, 'left', 'only_second') },
  { pair: false, addSpecial: true, padding: { to: 40, side: 'right', id: 0, typeId: 0 } },
  {
    pair: true,
    addSpecial: true,
    padding: { to: 'longest', multipleOf: 16, side: 'left', id: 1, typeId: 2 },
    truncation: cut(30, 4, 'right', 'longest_first'),
  },
]

const source: RowSource = async ({ log }) => {
  const folder = mkdtempSync(join(tmpdir(), 'tesserae-api-'))
  try {
    const python =
      process.env['TESSERAE_TORCH_PYTHON'] ??
      pythonWith('tokenizer-api', ['tokenizers==0.23.3', 'tiktoken==0.14.0', 'transformers==5.24.0', 'jinja2==3.1.6'])
    const given = fuzzTexts(STRINGS, SEED)
    // Strings of Python hold no lone surrogates.
    const texts = given.map((text) => text.replace(/[\ud800-\udfff]/gu, '\ufffd'))
    const pairs = texts.map((_, i) => texts[(i * 7 + 1) % texts.length]!)
    const withNames = texts.map((text, i) =>
      i % 3 === 0 ? text : `${text}${Object.keys(SPECIAL)[i % 3]!}${texts[(i + 1) % texts.length]!}`,
    )
    const talks = fuzzedChats(Object.keys(chats().templates), CHATS, SEED)
    const ranks = Object.fromEntries(
      rankFile()
        .trim()
        .split('\n')
        .map((line) => [line.split(' ')[0]!, Number(line.split(' ')[1])]),
    )
    const files = Object.fromEntries(NAMES.map((name) => [name, { ...jsonOf(name), truncation: null, padding: null }]))
    const job = join(folder, 'job.json')
    writeFileSync(
      job,
      JSON.stringify({
        tokenizers: Object.fromEntries(NAMES.map((name) => [name, JSON.stringify(files[name])])),
        texts: withNames,
        pairs,
        rules,
        ranks,
        special: SPECIAL,
        chats: talks,
        out: folder,
      }),
    )
    const versions = (await runForJson(python, [join(import.meta.dirname, '../peers/api_answers.py'), job])) as Record<string, string>
    log(`Python has answered: ${JSON.stringify(versions)}`)
    const answers = (name: string): string[] =>
      readFileSync(join(folder, `${name}.jsonl`), 'utf8')
        .trimEnd()
        .split('\n')
    const rows: Row[] = []
    for (const name of NAMES) {
      const tokenizer = Tokenizer.fromJSON(files[name])
      rows.push(
        compared(
          `${name}: other encodings (all lists, and what overflows) than Hugging Face's, of pairs, truncated and padded`,
          `tokenizers ${versions['tokenizers']}; ${rules.length} rules`,
          answers(name),
          rules.flatMap((rule) => withNames.map((text, i) => () => encodingOf(tokenizer, rule, text, pairs[i]!))),
        ),
      )
      log(rows.at(-1)!.measured)
    }
    const ranked = Tokenizer.fromTiktoken(rankFile(), { pattern: 'gpt2', special: SPECIAL })
    const names = Object.keys(SPECIAL).sort()
    const policies: readonly SpecialPolicy[] = ['reject', 'allow', 'text', names.slice(0, 1), names.slice(1)]
    rows.push(
      compared(
        "policies of special tokens: other ids or refusals than tiktoken's",
        `tiktoken ${versions['tiktoken']}; ${policies.length} policies`,
        answers('policies'),
        policies.flatMap((special) => withNames.map((text) => () => [...ranked.encode(text, { special })])),
      ),
    )
    rows.push(await chatRow(talks, answers('chats'), versions['transformers']!))
    rows.push(...(await ownPromises(given, ranked)))
    return rows
  } catch (error) {
    return unavailable("the API's promises", '0 differ', error)
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}
export default source

function compared(figure: string, note: string, answers: readonly string[], ours: readonly (() => unknown)[]): Row {
  let different = 0
  let first = ''
  for (const [i, make] of ours.entries()) {
    let mine = '"error"'
    try {
      mine = JSON.stringify(make())
    } catch (error) {
      if ((error as { name?: string }).name !== 'TokenizerError') throw error
    }
    if (mine === answers[i]) continue
    different++
    first ||= `; first, ${i}: ${mine.slice(0, 160)}, theirs ${answers[i]?.slice(0, 160)}`
  }
  return row(figure, `0 of ${ours.length}`, String(different), different === 0 && answers.length === ours.length, note + first)
}

function encodingOf(tokenizer: Tokenizer, { pair, addSpecial, truncation, padding }: Rule, text: string, second: string): unknown {
  const options: EncodeWithOffsetsOptions = {
    special: 'allow',
    offsets: 'codepoint',
    addSpecial,
    truncation: truncation ?? false,
    padding: padding ?? false,
    ...(pair ? { pair: second } : {}),
  }
  const encoding = tokenizer.encodeWithOffsets(text, options)
  return [fields(encoding), encoding.overflowing.slice(0, 20).map(fields), encoding.overflowing.length]
}

const fields = (encoding: Encoding): unknown[] => [
  [...encoding.ids],
  [...encoding.typeIds],
  encoding.tokens,
  [...encoding.offsets],
  [...encoding.wordIds],
  [...encoding.sequenceIds],
  [...encoding.specialTokensMask],
  [...encoding.attentionMask],
]

/** Chats by templates in use: the text, the mask of what the assistant generates, and no special token that a user wrote. */
async function chatRow(talks: ReturnType<typeof fuzzedChats>, answers: readonly string[], version: string): Promise<Row> {
  const { templates } = chats()
  const json = moby() as { added_tokens: object[] }
  const names = ['<s>', '</s>', '<|im_start|>', '<|im_end|>']
  const added = names.map((content, i) => ({
    id: 1024 + i,
    content,
    single_word: false,
    lstrip: false,
    rstrip: false,
    normalized: false,
    special: true,
  }))
  const tokenizer = Tokenizer.fromJSON({ ...json, added_tokens: [...json.added_tokens, ...added] }, { bos_token: '<s>', eos_token: '</s>' })
  const counts = { texts: 0, masks: 0, ids: 0, errors: 0 }
  let first = ''
  for (const [i, { template, ...chat }] of talks.entries()) {
    const theirs = JSON.parse(answers[i]!) as { text?: string; generated?: string[]; error?: string }
    const options = { ...chat, template: templates[template]! }
    try {
      const { text, ids, mask } = await tokenizer.applyChatTemplate(chat.messages, { ...options, returnMask: true })
      if (theirs.error !== undefined) {
        counts.errors++
        first ||= `; first: ${template} ${i} gives a text, there ${theirs.error.slice(0, 80)}`
        continue
      }
      if (text !== theirs.text) {
        counts.texts++
        const at = [...text].findIndex((_, place) => text[place] !== theirs.text![place])
        first ||= `; first: ${template} ${i} at ${at}: ${JSON.stringify(text.slice(Math.max(0, at - 40), at + 40))}, theirs ${JSON.stringify(theirs.text!.slice(Math.max(0, at - 40), at + 40))}`
        continue
      }
      if (tokenizer.decode(ids) !== text) counts.ids++
      if (tokenizer.decode(ids.filter((_, at) => mask[at] === 1)) !== theirs.generated!.join('')) counts.masks++
    } catch (error) {
      if ((error as { code?: string }).code !== 'TEMPLATE') throw error
      if (theirs.error === undefined) {
        counts.errors++
        first ||= `; first: ${template} ${i}: ${(error as Error).message.slice(0, 120)}, there none`
      }
    }
  }
  const { texts, masks, ids, errors } = counts
  return row(
    `chats by ${Object.keys(templates).length} templates: other texts / masks / refusals than transformers', ids that do not decode to the text`,
    `0 / 0 / 0, 0 of ${talks.length}`,
    `${texts} / ${masks} / ${errors}, ${ids}`,
    texts + masks + ids + errors === 0,
    `transformers ${version}; tools, documents, continued messages, names of special tokens in what users say${first}`,
  )
}

async function ownPromises(texts: readonly string[], ranked: Tokenizer): Promise<Row[]> {
  const cl100k = await Tokenizer.fromEncoding('cl100k_base')
  const tokenizers: Record<string, Tokenizer> = {
    cl100k_base: cl100k,
    bert: Tokenizer.fromJSON(jsonOf('bert')),
    llama2: Tokenizer.fromJSON(jsonOf('llama2')),
    t5: Tokenizer.fromJSON(jsonOf('t5')),
    sentencepiece: Tokenizer.fromSentencePiece(modelOf('bpe-llama')!),
    'llama2.c': Tokenizer.fromLlama2c(llama2c()),
  }
  const random = randomFrom(SEED)
  const few = texts.slice(0, 120)
  const of = (check: (tokenizer: Tokenizer) => promises.Broken, names = Object.keys(tokenizers)): promises.Broken => {
    const found = names.map((name) => ({ name, ...check(tokenizers[name]!) }))
    return {
      checks: found.reduce((sum, { checks }) => sum + checks, 0),
      broken: found.flatMap(({ name, broken }) => broken.map((what) => `${name}: ${what}`)),
    }
  }
  const checked = (figure: string, { checks, broken }: promises.Broken): Row =>
    row(figure, `0 of ${checks}`, String(broken.length), broken.length === 0, broken.length === 0 ? undefined : `first: ${broken[0]}`)
  return [
    checked(
      'offsets in bytes and code points that are not those in UTF-16 units',
      of((tokenizer) => promises.offsetUnits(tokenizer, texts)),
    ),
    checked(
      'streams from every split that do not give the whole decoding',
      of((tokenizer) => promises.streams(tokenizer, few)),
    ),
    checked(
      'bytes of tokens that do not make the text',
      of((tokenizer) => promises.tokenBytes(tokenizer, texts), ['cl100k_base']),
    ),
    checked(
      'truncations that are not the longest in whole characters',
      of((tokenizer) => promises.truncation(tokenizer, few)),
    ),
    checked(
      'counts of growing texts that are not those of the whole',
      of((tokenizer) => promises.counting(tokenizer, few, random)),
    ),
    checked('healings that are not what looking at every token gives', promises.healing(ranked, texts)),
  ]
}
