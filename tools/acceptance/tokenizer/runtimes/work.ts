// What every runtime does: it encodes with two encodings and tells what came out. Only what the web has, so that a page, a worker and an edge function can.
import { createTokenizer } from '@tesserae/tokenizer/encodings'
import { cl100k_base } from '@tesserae/tokenizer/encodings/cl100k_base'
import { o200k_base } from '@tesserae/tokenizer/encodings/o200k_base'

export interface Result {
  readonly ids: Readonly<Record<string, readonly number[]>>
  readonly text: Readonly<Record<string, string>>
  readonly refused: string
}

export const sample =
  'The Agentic AI Academy teaches advanced AI skills. It’s naïve; 日本語, \u{1f468}\u200d\u{1f469} ǅ\ufeff\u0085 fooBar 12345\r\n\r\n  end '

export function work(): Result {
  const ids: Record<string, number[]> = {}
  const text: Record<string, string> = {}
  let refused = ''
  for (const data of [cl100k_base, o200k_base]) {
    const tokenizer = createTokenizer(data)
    ids[data.name] = [...tokenizer.encode(sample)]
    const decoder = tokenizer.decoder()
    text[data.name] = ids[data.name]!.map((id) => decoder.push(id)).join('') + decoder.flush()
    try {
      tokenizer.encode('<|endoftext|>')
    } catch (error) {
      refused = (error as { code: string }).code
    }
  }
  return { ids, text, refused }
}

/** What it must be: ids of Python's tiktoken 0.14 (`encode_ordinary`). */
export const expected: Result = {
  ids: {
    cl100k_base: [
      791, 4701, 4351, 15592, 16192, 33992, 11084, 15592, 7512, 13, 1102, 753, 95980, 588, 26, 76502, 22656, 45918, 252, 11, 62904, 101,
      378, 235, 9468, 239, 102, 220, 131, 227, 3305, 126, 227, 15586, 3511, 220, 4513, 1774, 881, 220, 842, 220,
    ],
    o200k_base: [
      976, 28237, 291, 20837, 20207, 45459, 12990, 20837, 7870, 13, 1225, 802, 153475, 737, 26, 17428, 40909, 11, 61138, 101, 2524, 28823,
      102, 220, 131, 227, 5574, 126, 227, 30551, 4622, 220, 7633, 2548, 1414, 220, 1268, 220,
    ],
  },
  text: { cl100k_base: sample, o200k_base: sample },
  refused: 'SPECIAL_TOKEN',
}
