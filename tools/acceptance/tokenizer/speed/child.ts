// Measures one tokenizer in a process of its own: NAME FOLDER. Prints its speeds as JSON.
import { contestant, type OwnName, type PeerName } from './contestants.js'
import { measureSpeeds } from './measure.js'
import { code, english, languages } from '../texts/corpora.js'

const ROUNDS = 3
const [name, folder = ''] = process.argv.slice(2)
const one = await contestant(name as OwnName | PeerName, folder)
console.log(JSON.stringify(measureSpeeds([one], { English: english(), code: code(), Unicode: languages() }, ROUNDS)))
process.exit(0) // threads of a peer would keep the process
