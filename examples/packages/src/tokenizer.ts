// @tesserae/tokenizer: a vocabulary learnt from text, ids and back, and text that streams without broken characters.
import { Tokenizer, trainBpe } from '@tesserae/tokenizer'

const corpus = 'low lower lowest, new newer newest, wide wider widest. '.repeat(40)
const tokenizer = await trainBpe([corpus], { vocabSize: 300, specialTokens: ['<|end|>'] })
console.log(`${tokenizer.vocabSize} tokens, the last of them special: ${[...tokenizer.specialTokens.keys()].join(' ')}`)

// What was frequent became one token; what was never seen is spelled in bytes, so nothing is unknown.
const show = (text: string): string => [...tokenizer.encode(text)].map((id) => JSON.stringify(tokenizer.decode([id]))).join(' ')
console.log('lowest newest:', show('lowest newest'))
console.log('zebra:', show('zebra'))

// Special tokens are never made by accident out of somebody's text.
try {
  tokenizer.encode('ends here<|end|>')
} catch (error) {
  console.log(`refused: ${(error as Error).message}`)
}
console.log('allowed:', [...tokenizer.encode('low<|end|>', { special: 'allow' })].join(' '))

// A character of several bytes appears when its last byte has come.
const decoder = tokenizer.decoder()
const parts = [...tokenizer.encode('🐋 newer')].map((id) => decoder.push(id))
console.log('streamed:', JSON.stringify([...parts, decoder.flush()]))

// tokenizer.json, as Hugging Face's libraries read it.
const again = Tokenizer.fromJSON(JSON.parse(JSON.stringify(tokenizer)))
console.log('the same after saving and loading:', again.encode(corpus).join() === tokenizer.encode(corpus).join())
