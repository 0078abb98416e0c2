/**
 * Trains the vocabulary of the Tokenizer and Chat rooms on Moby-Dick and the topics of the chat model, and writes public/tokenizer/tokenizer.json. The result
 * depends on these texts alone.
 */
import { mkdirSync, writeFileSync } from 'node:fs'
import { trainBpe } from '@tesserae/tokenizer'
import { questionsOf } from '../src/chat-data/topics.js'
import { specialTokens } from '../src/lib/conversation.js'
import { book } from './book.js'
import { topics } from './topics.js'

const vocabSize = 2048
/** The topics are short beside the book; repeated, their words become tokens of their own, which a small model needs to tell questions apart. */
const topicWeight = 6

const all = topics()
const written = [...questionsOf(all).map(({ text }) => text), ...all.flatMap(({ say, next }) => [...say, ...next.flat()])]
const texts = [book(), ...Array.from({ length: topicWeight }, () => written).flat()]
const tokenizer = await trainBpe(texts, { vocabSize, specialTokens })
const folder = new URL('../public/tokenizer/', import.meta.url)
mkdirSync(folder, { recursive: true })
writeFileSync(new URL('tokenizer.json', folder), JSON.stringify(tokenizer.toJSON()))
const bytes = texts.reduce((sum, text) => sum + Buffer.byteLength(text), 0)
const tokens = texts.reduce((sum, text) => sum + tokenizer.count(text), 0)
console.log(`public/tokenizer/tokenizer.json: ${tokenizer.vocabSize} tokens, ${(bytes / tokens).toFixed(2)} bytes a token`)
