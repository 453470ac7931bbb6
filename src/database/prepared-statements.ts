/**
 * Marks a statement that PostgreSQL should plan for its actual values at every execution (a custom plan). With a
 * generic plan, a search that matches nearly all rows takes four times as long.
 */
export const customPlan = '/* custom plan */';
