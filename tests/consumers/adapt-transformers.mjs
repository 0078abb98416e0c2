// Generates under grammars with transformers.js, in a project that installed it beside the packages. Prints the texts.
import { transformersProcessor, transformersVocabulary } from '@tesserae/sampling/adapters'
import { grammar } from '@tesserae/sampling/grammar'
import { grammars } from './adapt-grammars.mjs'

// Named by the caller: it is installed in the project alone.
const { AutoModelForCausalLM, AutoTokenizer, env, LogitsProcessorList } = await import(process.argv[3])
env.allowRemoteModels = false
env.localModelPath = process.argv[2]
const texts = []
for (const kind of ['byte-level', 'pieces']) {
  const tokenizer = await AutoTokenizer.from_pretrained(kind)
  const model = await AutoModelForCausalLM.from_pretrained(kind, { dtype: 'fp32' })
  const vocabulary = transformersVocabulary(tokenizer)
  for (const [name, one] of Object.entries(grammars(grammar)))
    for (const do_sample of [false, true]) {
      const list = new LogitsProcessorList()
      list.push(transformersProcessor(one, vocabulary))
      const inputs = tokenizer(['"a', '12'])
      const [, length] = inputs.input_ids.dims
      const output = await model.generate({ ...inputs, do_sample, max_new_tokens: 100, logits_processor: list })
      for (const row of output.tolist()) {
        const made = row.slice(length).map(Number)
        const end = made.indexOf(tokenizer.eos_token_id)
        // What comes behind the end of one sequence, while others go on, is no part of it.
        const ids = end < 0 ? made : made.slice(0, end)
        texts.push({ kind, name, ended: end >= 0, text: tokenizer.decode(ids, { skip_special_tokens: false }) })
      }
    }
}
console.log(JSON.stringify(texts))
