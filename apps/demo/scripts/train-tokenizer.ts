/**
 * Trains the vocabulary of the Tokenizer and Chat rooms on Moby-Dick and the conversations, and writes public/tokenizer/tokenizer.json. The result
 * depends on these texts alone.
 */
import { mkdirSync, writeFileSync } from 'node:fs'
import { trainBpe } from '@tesserae/tokenizer'
import { specialTokens } from '../src/lib/conversation.js'
import { book } from './book.js'
import { conversations } from './conversations.js'

const vocabSize = 1024

const texts = [book(), ...conversations().flatMap(({ messages }) => messages.map(({ content }) => content))]
const tokenizer = await trainBpe(texts, { vocabSize, specialTokens })
const folder = new URL('../public/tokenizer/', import.meta.url)
mkdirSync(folder, { recursive: true })
writeFileSync(new URL('tokenizer.json', folder), JSON.stringify(tokenizer.toJSON()))
const bytes = texts.reduce((sum, text) => sum + Buffer.byteLength(text), 0)
const tokens = texts.reduce((sum, text) => sum + tokenizer.count(text), 0)
console.log(`public/tokenizer/tokenizer.json: ${tokenizer.vocabSize} tokens, ${(bytes / tokens).toFixed(2)} bytes a token`)
