/** Group 1 as the table has it. */
export const constantGroup = {
  id: 1,
  name: 'Group 1',
  description: 'Description of group 1',
  tagName: 'tag1',
  duration: 1,
  price: '0.01',
  usernamePostfix: '@1',
  usernamePostfixId: null,
  dailyBandwidth: 'unlimited',
  multiLoginCount: 1,
  downloadUpload: 'unlimited',
  ip: 'STATIC',
};
