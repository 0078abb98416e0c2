import type { UserConfig } from 'vitepress'

// By way of VitePress, which has a Vite of its own.
type Plugins = NonNullable<NonNullable<UserConfig['vite']>['plugins']>

/**
 * Experiments are drawn once a page is shown in the browser (`live-frame.vue`). The server's bundle gets an empty component for each, so that the
 * packages behind them are bundled for the browser alone.
 */
export const browserOnly: Plugins[number] = {
  name: 'tesserae:browser-only',
  enforce: 'pre',
  load(id, options) {
    return options?.ssr === true && id.endsWith('-lab.vue') ? '<template><p /></template>' : undefined
  },
}
