import { existsSync, readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { transformerTwoslash } from '@shikijs/vitepress-twoslash'
import { defineConfig, type DefaultTheme, type MarkdownOptions } from 'vitepress'
import { browserOnly } from './browser-only.mjs'
import { samples } from './samples.mjs'
import { renderForSearch, searchOptions } from './search.mjs'

/** Pages that `scripts/write-api.mts` wrote; none before its first run. */
function apiSidebar(): DefaultTheme.SidebarItem[] {
  const path = fileURLToPath(new URL('../api/sidebar.json', import.meta.url))
  return existsSync(path) ? (JSON.parse(readFileSync(path, 'utf8')) as DefaultTheme.SidebarItem[]) : []
}

const chapters: DefaultTheme.SidebarItem[] = [
  { text: '1 · Tokenization', link: '/learn/tokenization' },
  { text: '2 · Embeddings', link: '/learn/embeddings' },
  { text: '3 · Attention', link: '/learn/attention' },
  { text: '4 · Pre-training', link: '/learn/pre-training' },
  { text: '5 · Fine-tuning and RLHF', link: '/learn/alignment' },
  { text: '6 · Inference', link: '/learn/inference' },
  { text: '7 · The KV cache', link: '/learn/kv-cache' },
  { text: '8 · Hallucination', link: '/learn/hallucination' },
  { text: '9 · Scaling laws', link: '/learn/scaling-laws' },
]

const guide: DefaultTheme.SidebarItem[] = [
  {
    text: 'Begin',
    items: [
      { text: 'Install', link: '/install' },
      { text: 'Quickstart', link: '/quickstart' },
    ],
  },
  {
    text: 'Use',
    items: [
      { text: 'Run a model', link: '/guides/run-a-model' },
      { text: 'Weights of fewer bits', link: '/guides/fewer-bits' },
      { text: 'Serve a model', link: '/guides/serving' },
      { text: 'Search by meaning', link: '/guides/search' },
      { text: 'Add an architecture', link: '/guides/add-an-architecture' },
    ],
  },
  { text: 'Learn', items: chapters },
]

export default defineConfig({
  title: 'Tesserae',
  description:
    'Composable building blocks of language models, in TypeScript: from text to tokens to tensors to a trained, aligned and grounded model.',
  lang: 'en',
  cleanUrls: false,
  head: [
    ['link', { rel: 'icon', type: 'image/svg+xml', href: '/mark.svg' }],
    ['meta', { name: 'theme-color', content: '#f8f5ee' }],
  ],
  markdown: {
    theme: { light: 'github-light-high-contrast', dark: 'github-dark-high-contrast' },
    // Made for Shiki 3, whose types differ from those of VitePress's Shiki 2; what they say to each other is the same.
    codeTransformers: [transformerTwoslash(samples)] as unknown as NonNullable<MarkdownOptions['codeTransformers']>,
  },
  themeConfig: {
    logo: '/mark.svg',
    search: { provider: 'local', options: { _render: renderForSearch, miniSearch: { searchOptions } } },
    nav: [
      { text: 'Install', link: '/install' },
      { text: 'Quickstart', link: '/quickstart' },
      { text: 'Learn', link: '/learn/tokenization', activeMatch: '^/learn/' },
      { text: 'Reference', link: '/api/', activeMatch: '^/api/' },
    ],
    sidebar: { '/api/': [{ text: 'Reference', items: apiSidebar() }], '/': guide },
    outline: { level: [2, 3], label: 'On this page' },
    docFooter: { prev: 'Before', next: 'Next' },
  },
  vite: {
    plugins: [browserOnly],
    resolve: { conditions: ['@tesserae/source'] },
    ssr: { resolve: { conditions: ['@tesserae/source'] } },
    // The packages' sources use `using`, which not every browser has.
    esbuild: { target: 'es2022' },
    // Files named as the pages' own are, so that the 14 MB of WebAssembly that both ask for are written once.
    worker: { format: 'es', rollupOptions: { output: { assetFileNames: 'assets/[name].[hash].[ext]' } } },
    build: { chunkSizeWarningLimit: 4096 },
  },
})
