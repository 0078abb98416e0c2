import { preview } from 'vite'
const outDir = '/work/main/apps/docs/site/.vitepress/dist'
await preview({
  root: outDir,
  configFile: false,
  logLevel: 'error',
  appType: 'mpa',
  build: { outDir },
  preview: { host: 'localhost', port: 5198, strictPort: true },
})
