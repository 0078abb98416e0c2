import TwoslashFloatingVue from '@shikijs/vitepress-twoslash/client'
import '@shikijs/vitepress-twoslash/style.css'
import type { App } from 'vue'
import type { Theme } from 'vitepress'
import DefaultTheme from 'vitepress/theme-without-fonts'
import ChapterGrid from './parts/chapter-grid.vue'
import HomeHero from './parts/home-hero.vue'
import LiveFrame from './parts/live-frame.vue'
import './styles/palette.css'
import './styles/text.css'
import './styles/home.css'
import './styles/widgets.css'
import './styles/figures.css'

/**
 * Types on hover. The plugin also reaches into components of floating-vue, as they were before 5.4, and writes an error to the console when it does not
 * find them; given an application that only passes plugins on, it has nothing to reach into.
 */
function installPopups(app: App): void {
  const passOn = { component: () => passOn, use: (...plugin: Parameters<App['use']>) => app.use(...plugin) }
  TwoslashFloatingVue.install(passOn as unknown as App)
}

export default {
  extends: DefaultTheme,
  enhanceApp({ app }) {
    app.use({ install: installPopups })
    app.component('Live', LiveFrame)
    app.component('HomeHero', HomeHero)
    app.component('ChapterGrid', ChapterGrid)
  },
} satisfies Theme
