import { parseArgs } from 'node:util'

export interface Options {
  /** Seconds of pre-training. */
  readonly seconds: number
  readonly vocabSize: number
  readonly seed: number
  /** Where the tokenizer, the checkpoint and the run's record go. */
  readonly out: string
  readonly resume: boolean
  readonly prompt: string
  /** Tokens to write at the end. */
  readonly tokens: number
  readonly temperature: number
}

export const usage = `Trains a tokenizer and a transformer on Moby-Dick, then lets it write.

  npm run quickstart                      about two minutes of training
  npm run quickstart -- --resume          go on after Ctrl-C
  npm run quickstart -- --seconds 30      train for 30 seconds
  npm run quickstart -- --prompt "Call me" --tokens 200 --temperature 0.8

  --vocab N   tokens in the vocabulary (default 1024)     --seed N   default 1
  --out DIR   where results are kept (default .quickstart)`

/** Reads the command line; an error message for people when it makes no sense. */
export function readOptions(args: readonly string[]): Options | { readonly help: string; readonly failed: boolean } {
  try {
    const { values } = parseArgs({
      args: [...args],
      options: {
        seconds: { type: 'string', default: '120' },
        vocab: { type: 'string', default: '1024' },
        seed: { type: 'string', default: '1' },
        out: { type: 'string', default: '.quickstart' },
        resume: { type: 'boolean', default: false },
        prompt: { type: 'string', default: 'The whale' },
        tokens: { type: 'string', default: '160' },
        temperature: { type: 'string', default: '0.8' },
        help: { type: 'boolean', short: 'h', default: false },
      },
    })
    if (values.help) return { help: usage, failed: false }
    const number = (name: string, text: string, low: number, high: number, whole = true): number => {
      const value = Number(text)
      if (text.trim() === '' || !(value >= low && value <= high) || (whole && !Number.isInteger(value)))
        throw new Error(`--${name} takes ${whole ? 'an integer' : 'a number'} from ${low} to ${high}, got '${text}'`)
      return value
    }
    if (values.prompt === '') throw new Error('--prompt needs some text to go on from')
    return {
      seconds: number('seconds', values.seconds, 1, 86_400, false),
      vocabSize: number('vocab', values.vocab, 257, 32_768),
      seed: number('seed', values.seed, 0, 2 ** 31 - 1),
      out: values.out,
      resume: values.resume,
      prompt: values.prompt,
      tokens: number('tokens', values.tokens, 1, 4096),
      temperature: number('temperature', values.temperature, 0, 10, false),
    }
  } catch (error) {
    return { help: `${(error as Error).message}\n\n${usage}`, failed: true }
  }
}
