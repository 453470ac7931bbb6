/**
 * Gives GraphiQL's tabs roles that screen readers can follow: its list items say that they are tabs, and hold two buttons, which a
 * tab may not. The buttons speak for themselves, once the present one is marked. Goes on until it is stopped.
 * @see https://dequeuniversity.com/rules/axe/4.13/nested-interactive
 */
export function mendTabRoles(root: HTMLElement): () => void {
  const mend = () => {
    root.querySelector('[role="tablist"]')?.removeAttribute('role');
    for (const tab of root.querySelectorAll('.graphiql-tab')) {
      tab.removeAttribute('role');
      tab.removeAttribute('aria-selected');
      const isPresent = tab.classList.contains('graphiql-tab-active');
      tab.querySelector('button')?.setAttribute('aria-current', String(isPresent));
    }
  };
  mend();
  const observer = new MutationObserver(mend);
  observer.observe(root, { subtree: true, childList: true, attributeFilter: ['role', 'aria-selected'] });
  return () => observer.disconnect();
}
