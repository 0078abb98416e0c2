import { ref, type Ref } from 'vue'

export type Theme = 'light' | 'dark'

const key = 'tesserae-theme'

/** The theme that is shown, and how to change it: what was chosen is remembered, until then the system decides. index.html sets the first one. */
export function useTheme(): { readonly theme: Ref<Theme>; toggle(): void } {
  const root = document.documentElement
  const theme = ref(root.dataset['theme'] as Theme)
  let isChosen = stored() !== null
  const show = (next: Theme): void => {
    theme.value = next
    root.dataset['theme'] = next
  }
  matchMedia('(prefers-color-scheme: dark)').addEventListener('change', ({ matches }) => {
    if (!isChosen) show(matches ? 'dark' : 'light')
  })
  return {
    theme,
    toggle() {
      isChosen = true
      show(theme.value === 'dark' ? 'light' : 'dark')
      try {
        localStorage.setItem(key, theme.value)
      } catch {
        // Storage may be forbidden; the choice then lasts as long as the page.
      }
    },
  }
}

function stored(): string | null {
  try {
    return localStorage.getItem(key)
  } catch {
    return null
  }
}
