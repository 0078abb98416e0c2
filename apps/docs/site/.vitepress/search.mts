import type { DefaultTheme } from 'vitepress'

type Render = NonNullable<DefaultTheme.LocalSearchOptions['_render']>

/**
 * A page as the search index reads it: code is plain text. Coloured, it would take as long as the page itself, and the types that samples show on
 * hover would be found as if someone had written them.
 */
export const renderForSearch: Render = (source, env, markdown) => {
  const { highlight } = markdown.options
  markdown.options.highlight = null
  try {
    const html = markdown.render(source, env)
    return env.frontmatter?.search === false ? '' : html
  } finally {
    markdown.options.highlight = highlight ?? null
  }
}
