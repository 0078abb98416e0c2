import { createRequire } from 'node:module'
import { basename, dirname, join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { answer, promptOf } from './protocol.js'

const [path, , context, folder, dtype] = process.argv.slice(2) as [string, string, string, string, string]

interface Library {
  readonly env: { allowRemoteModels: boolean; localModelPath: string }
  readonly Tensor: new (type: string, data: BigInt64Array, dims: readonly number[]) => unknown
  readonly AutoModelForCausalLM: {
    from_pretrained(name: string, options: object): Promise<{ generate(options: object): Promise<unknown> }>
  }
}
const entry = createRequire(join(folder, 'package.json')).resolve('@huggingface/transformers')
const { env, Tensor, AutoModelForCausalLM } = (await import(pathToFileURL(entry).href)) as Library
env.allowRemoteModels = false
env.localModelPath = `${dirname(path)}/`
const model = await AutoModelForCausalLM.from_pretrained(basename(path), {
  dtype,
  local_files_only: true,
  session_options: { intraOpNumThreads: 2, interOpNumThreads: 1 },
})

let prompts = 0

await answer({
  runtime: '@huggingface/transformers',
  // Its loop is its own, so tokens are timed as they come; the prompt is not among them.
  async steps(count) {
    const ids = promptOf(Number(context), prompts++)
    const dims = [1, ids.length]
    const milliseconds: number[] = []
    let before: number | undefined
    let puts = 0
    const put = (): void => {
      const now = performance.now()
      if (before !== undefined) milliseconds.push(now - before)
      if (++puts >= 2) before = now // the first is the prompt, the second its token
    }
    await model.generate({
      input_ids: new Tensor('int64', BigInt64Array.from(ids, BigInt), dims),
      attention_mask: new Tensor('int64', new BigInt64Array(ids.length).fill(1n), dims),
      max_new_tokens: count + 1,
      min_new_tokens: count + 1,
      do_sample: false,
      streamer: { put, end: () => {} },
    })
    return milliseconds
  },
})
