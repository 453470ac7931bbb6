// The rows in the examples of docs/events.md.

export const exampleGroup = {
  id: 7,
  name: 'Gold 30 days',
  description: '',
  tagName: 'gold',
  duration: 30,
  price: '29.90',
  usernamePostfix: null,
  usernamePostfixId: null,
  dailyBandwidth: 'unlimited',
  multiLoginCount: 2,
  downloadUpload: '100/100',
  ip: null,
  hidden: false,
  protected: false,
  version: 1,
  createdAt: '2026-11-01T09:30:00.000Z',
  updatedAt: '2026-11-01T09:30:00.000Z',
  serviceGroupId: 1,
  retiresAt: null,
};
export const exampleSubscription = {
  username: 'ali',
  groupId: 7,
  startsAt: '2026-11-01T09:30:00.000Z',
  expiresAt: '2026-12-01T09:30:00.000Z',
};
export const exampleServiceGroup = { id: 1, name: 'Home', description: '', language: 'en', discount: 0 };
export const exampleNumberGroup = {
  id: '65f1a2b3c4d5e6f708192a3b',
  name: 'customers',
  description: '',
  count: 2,
  createdAt: '2026-11-01T09:30:00.000Z',
};

const noRecords = { added: 0, restored: 0, unchanged: 0 };
export const exampleCounts = {
  serviceGroups: { added: 1, restored: 0, unchanged: 0 },
  groups: { added: 20, restored: 0, unchanged: 1 },
  subscribers: { added: 500, restored: 0, unchanged: 0 },
  deletedGroups: noRecords,
  formerSubscribers: noRecords,
};
