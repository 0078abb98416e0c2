import vue from '@vitejs/plugin-vue'
import { defaultClientConditions, defineConfig } from 'vite'

/** What lets a page share memory between threads. Hosts that cannot send these still work, on one thread. */
const isolation = { 'Cross-Origin-Opener-Policy': 'same-origin', 'Cross-Origin-Embedder-Policy': 'require-corp' }

export default defineConfig({
  plugins: [vue()],
  // Relative addresses, so that the site works in any folder of any static host.
  base: './',
  // The packages from their sources: no build of theirs is needed. `worker`, because what computes runs in one: a parser below Markdown
  // has a variant for pages that asks the document, and workers have none.
  resolve: { conditions: ['@tesserae/source', 'worker', ...defaultClientConditions] },
  server: { headers: isolation },
  preview: { headers: isolation },
  build: { chunkSizeWarningLimit: 4096, reportCompressedSize: false },
  worker: { format: 'es' },
  optimizeDeps: { exclude: ['onnxruntime-web'] },
})
