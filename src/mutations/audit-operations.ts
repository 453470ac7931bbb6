/** The names that a change has in the audit log: as an operation of the API, and as a command. */
export const auditOperations = {
  createGroup: ['createGroup', 'groups create'],
  editGroup: ['editGroup', 'groups edit'],
  deleteGroup: ['deleteGroup', 'deleteGroups', 'groups delete'],
  retireGroup: ['retireGroup', 'groups retire'],
  cancelRetirement: ['cancelRetirement', 'groups cancel-retirement'],
  createServiceGroup: ['createServiceGroup', 'service-groups create'],
  subscribe: ['subscribe', 'subscribers add'],
} as const;
