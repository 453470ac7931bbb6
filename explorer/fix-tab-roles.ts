/**
 * Removes the ARIA roles of GraphiQL's tabs, whose list items have the role `tab` and contain two buttons, which a tab
 * may not. Screen readers read the buttons instead; `aria-current` marks the current one. Observes changes until the
 * returned function is called.
 * @see https://dequeuniversity.com/rules/axe/4.13/nested-interactive
 */
export function fixTabRoles(root: HTMLElement): () => void {
  const fix = () => {
    root.querySelector('[role="tablist"]')?.removeAttribute('role');
    for (const tab of root.querySelectorAll('.graphiql-tab')) {
      tab.removeAttribute('role');
      tab.removeAttribute('aria-selected');
      const isCurrent = tab.classList.contains('graphiql-tab-active');
      tab.querySelector('button')?.setAttribute('aria-current', String(isCurrent));
    }
  };
  fix();
  const observer = new MutationObserver(fix);
  observer.observe(root, { subtree: true, childList: true, attributeFilter: ['role', 'aria-selected'] });
  return () => observer.disconnect();
}
