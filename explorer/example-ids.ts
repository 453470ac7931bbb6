import { fetchData } from './api.ts';
import type { EditorStorage } from './editor-storage.ts';
import { createExampleTabs, type ExampleIds, type Tab } from './example-tabs.ts';

type Connection = { readonly nodes: readonly { readonly id: number }[] };

const exampleIdsQuery = `query ExampleIds {
  searchGroups(first: 1) { nodes { id } }
  deletedGroups(first: 1) { nodes { id } }
}`;

/**
 * Fetches the ids of the first group and of the latest deleted one. Returns undefined if the account cannot read them.
 */
export async function fetchExampleIds(key: string): Promise<ExampleIds | undefined> {
  try {
    const { searchGroups, deletedGroups } = await fetchData<{
      searchGroups: Connection;
      deletedGroups: Connection;
    }>(key, exampleIdsQuery);
    const group = searchGroups.nodes[0]?.id ?? 1;
    return { group, deletedGroup: deletedGroups.nodes[0]?.id ?? group };
  } catch {
    return undefined;
  }
}

/** The state of GraphiQL that it does not restore itself. */
type InitialTabs = {
  readonly defaultTabs: Tab[];
  readonly initialQuery: string;
  readonly initialVariables: string;
};

const idsName = 'group-api:example-ids';
const tabsName = 'graphiql:tabState';

/**
 * Returns the tabs to start GraphiQL with. In stored tabs the ids replace those of the examples that the user has left
 * as they were; undefined keeps all of them.
 */
export function prepareTabs(storage: EditorStorage, newIds: ExampleIds | undefined): InitialTabs {
  const storedIds = (readJson(storage, idsName) as ExampleIds | undefined) ?? { group: 1, deletedGroup: 1 };
  const ids = newIds ?? storedIds;
  const defaultTabs = [...createExampleTabs(ids)];
  const replaced = createExampleTabs(storedIds);
  const state = readJson(storage, tabsName) as StoredTabs | undefined;
  const tabs = state?.tabs.map((tab) => {
    const index = replaced.findIndex(
      ({ query, variables }) => query === tab.query && variables === tab.variables,
    );
    return index === -1 ? tab : { ...tab, variables: defaultTabs[index]!.variables };
  });
  if (tabs) storage.setItem(tabsName, JSON.stringify({ ...state, tabs }));
  storage.setItem(idsName, JSON.stringify(ids));
  const { query, variables } = tabs?.[state!.activeTabIndex] ?? defaultTabs[0]!;
  return { defaultTabs, initialQuery: query ?? '', initialVariables: variables ?? '' };
}

/** As GraphiQL stores them. */
type StoredTabs = {
  readonly activeTabIndex: number;
  readonly tabs: readonly { readonly query: string | null; readonly variables: string | null }[];
};

/** Only this page writes these values; a damaged one counts as missing. */
function readJson(storage: EditorStorage, name: string): unknown {
  try {
    return JSON.parse(storage.getItem(name) ?? 'null') ?? undefined;
  } catch {
    return undefined;
  }
}
