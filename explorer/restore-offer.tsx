import { isPresent, type Deletion } from './deletion-impact.ts';
import { createTab, type Tab } from './example-tabs.ts';
import { useOpenTab } from './open-tab.ts';

/** As many groups as one operation restores. */
const maxRestored = 10;

/** Below the response of a delete: names restoreGroup, and opens a tab with it. */
export function RestoreOffer({ deletions }: { deletions: readonly Deletion[] }) {
  const openTab = useOpenTab();
  const [first] = deletions;
  const what = deletions.length === 1 ? `Group ${String(first!.id)} was` : `${deletions.length} groups were`;
  return (
    <div className="restore-offer">
      <p role="status">{what} deleted. restoreGroup undoes this, until the archive expires.</p>
      {deletions.length <= maxRestored && (
        <button type="button" onClick={() => openTab(createRestoreTab(deletions))}>
          Open a tab with restoreGroup
        </button>
      )}
    </div>
  );
}

/** Restores each group; the subscribers that the delete moved to another group come back. */
function createRestoreTab(deletions: readonly Deletion[]): Tab {
  const fields = deletions.map(({ id, moveSubscribersTo }) => {
    const alias = deletions.length === 1 ? '' : `group${String(id)}: `;
    const back = isPresent(moveSubscribersTo) ? ', moveSubscribersBack: true' : '';
    return `  ${alias}restoreGroup(id: ${String(id)}${back}) {\n    id\n    name\n  }\n`;
  });
  return createTab(
    `# Restores the deleted ${fields.length === 1 ? 'group' : 'groups'}.\nmutation Restore {\n${fields.join('')}}`,
    {},
  );
}
