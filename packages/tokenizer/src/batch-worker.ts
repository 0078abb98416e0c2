// The script of the threads that a batch encoder starts.
import { serveBatches } from './batch.js'

void serveBatches()
