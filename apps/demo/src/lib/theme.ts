import { ref, type Ref } from 'vue'

export type Theme = 'light' | 'dark'

const key = 'tesserae-theme'

/** The theme that is shown, and how to change it: what was chosen is remembered, until then the system decides. */
export function useTheme(): { readonly theme: Ref<Theme>; toggle(): void } {
  const system = matchMedia('(prefers-color-scheme: dark)')
  const chosen = document.documentElement.dataset['theme'] as Theme | undefined
  const theme = ref<Theme>(chosen ?? (system.matches ? 'dark' : 'light'))
  system.addEventListener('change', () => {
    if (document.documentElement.dataset['theme'] === undefined) theme.value = system.matches ? 'dark' : 'light'
  })
  return {
    theme,
    toggle() {
      theme.value = theme.value === 'dark' ? 'light' : 'dark'
      document.documentElement.dataset['theme'] = theme.value
      try {
        localStorage.setItem(key, theme.value)
      } catch {
        // Storage may be forbidden; the choice then lasts as long as the page.
      }
    },
  }
}
