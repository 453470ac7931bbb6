/**
 * Marks a statement that is to be planned for the values that it has, each time. Planned once for any value, a search that finds
 * nearly all takes four times as long.
 */
export const plannedForItsValues = '/* planned for its values */';
