import { readFileSync } from 'node:fs'
import { dataFile } from '../../lib/data.js'
import { shakespeareOf, type Shakespeare } from './model.js'

export { startTraining, steps } from './model.js'

export const shakespeare = (): Shakespeare => shakespeareOf(readFileSync(dataFile('tinyshakespeare.txt'), 'utf8'))
