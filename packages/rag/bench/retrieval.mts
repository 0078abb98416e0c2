// Indexing and searching by words, chunking, and searching by vectors, ours beside peers in one process, on the Cranfield collection:
//   npx tsx --conditions=@tesserae/source packages/rag/bench/retrieval.mts [folder with peers installed] [words,chunks,vectors]
// Peers are minisearch, @orama/orama, @langchain/textsplitters with @langchain/core, hnsw, hnswlib-wasm, usearch and hnswlib-node; those that are not
// installed are named as such. TESSERAE_DATA names the folder that holds cranfield/cran.all, cran.qry and cran.qrel.
import { readFileSync } from 'node:fs'
import { cpus } from 'node:os'
import { readCranfield } from '@tesserae/rag/testing'
import { dataFile } from '../../../tools/acceptance/lib/data.js'
import { chunks } from './chunks.mjs'
import { vectors } from './vectors.mjs'
import { words } from './words.mjs'

const [folder, only = 'words,chunks,vectors'] = process.argv.slice(2)
const read = (name: string) => readFileSync(dataFile(`cranfield/${name}`), 'utf8')
const collection = readCranfield({ documents: read('cran.all'), queries: read('cran.qry'), judgements: read('cran.qrel') })

console.log(`Node ${process.version}, ${cpus().length} × ${cpus()[0]!.model}`)
if (only.includes('words')) await words(collection, folder)
if (only.includes('chunks')) await chunks(collection.documents, folder)
if (only.includes('vectors')) await vectors(collection, folder)
process.exit(0)
