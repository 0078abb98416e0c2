import { describe, expect, it } from 'vitest'
import { english, plainWords } from './analyzer.js'
import { porterStem } from './porter.js'

// The examples that the paper gives for each rule, carried through the steps that follow it.
const pairs: Record<string, string> = {
  caresses: 'caress',
  ponies: 'poni',
  ties: 'ti',
  caress: 'caress',
  cats: 'cat',
  feed: 'feed',
  agreed: 'agre',
  plastered: 'plaster',
  bled: 'bled',
  motoring: 'motor',
  sing: 'sing',
  conflated: 'conflat',
  troubled: 'troubl',
  sized: 'size',
  hopping: 'hop',
  tanned: 'tan',
  falling: 'fall',
  hissing: 'hiss',
  fizzed: 'fizz',
  failing: 'fail',
  filing: 'file',
  happy: 'happi',
  sky: 'sky',
  relational: 'relat',
  conditional: 'condit',
  rational: 'ration',
  valenci: 'valenc',
  hesitanci: 'hesit',
  digitizer: 'digit',
  conformabli: 'conform',
  radicalli: 'radic',
  differentli: 'differ',
  vileli: 'vile',
  analogousli: 'analog',
  vietnamization: 'vietnam',
  predication: 'predic',
  operator: 'oper',
  feudalism: 'feudal',
  decisiveness: 'decis',
  hopefulness: 'hope',
  callousness: 'callous',
  formaliti: 'formal',
  sensitiviti: 'sensit',
  sensibiliti: 'sensibl',
  triplicate: 'triplic',
  formative: 'form',
  formalize: 'formal',
  electriciti: 'electr',
  electrical: 'electr',
  hopeful: 'hope',
  goodness: 'good',
  revival: 'reviv',
  allowance: 'allow',
  inference: 'infer',
  airliner: 'airlin',
  gyroscopic: 'gyroscop',
  adjustable: 'adjust',
  defensible: 'defens',
  irritant: 'irrit',
  replacement: 'replac',
  adjustment: 'adjust',
  dependent: 'depend',
  adoption: 'adopt',
  homologou: 'homolog',
  communism: 'commun',
  activate: 'activ',
  angulariti: 'angular',
  homologous: 'homolog',
  effective: 'effect',
  bowdlerize: 'bowdler',
  probate: 'probat',
  rate: 'rate',
  cease: 'ceas',
  controll: 'control',
  roll: 'roll',
  generalizations: 'gener',
  oscillators: 'oscil',
  // The letter y as vowel and consonant, words too short, and words that are none.
  toy: 'toi',
  syzygy: 'syzygi',
  is: 'is',
  by: 'by',
  as: 'as',
}

describe('porterStem', () => {
  it.each(Object.entries(pairs))('%s → %s', (word, stem) => expect(porterStem(word)).toBe(stem))

  it('leaves alone what is no English word in lower case', () => {
    for (const word of ['Größen', 'naïves', '747s', 'CATS', '', 'поезда']) expect(porterStem(word)).toBe(word)
  })
})

describe('english', () => {
  it('drops case, accents, stop words and suffixes', () => {
    expect(english().analyze("The Wing's résumés aren’t oscillating: 747s, mach 2.5!")).toEqual([
      'wing',
      'resum',
      'aren',
      'oscil',
      '747s',
      'mach',
      '2',
      '5',
    ])
    expect(english({ stem: false, stopWords: ['wing'] }).analyze('the Wings wing')).toEqual(['the', 'wings'])
  })

  it('has an id for each way of analysing', () => {
    const ids = [english(), english({ stem: false }), english({ stopWords: [] }), english({ stopWords: ['x'] }), plainWords()].map(
      ({ id }) => id,
    )
    expect(new Set(ids).size).toBe(5)
    expect(english().id).toBe(english().id)
  })
})

it('plainWords keeps every script', () => {
  expect(plainWords().analyze('Der Größte, поезда — ２ हिन्दी')).toEqual(['der', 'größte', 'поезда', '2', 'हिन्दी'])
})
