import { work } from '../work.js'

postMessage(work())
