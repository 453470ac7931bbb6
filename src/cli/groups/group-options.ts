import type { GroupChanges } from '../../groups/group.ts';
import type { FieldOptions } from '../field-options.ts';

/** The options of `groups create` and `groups edit`. */
export const groupOptions: FieldOptions<keyof GroupChanges> = {
  name: { type: 'text', help: 'name, 1 to 128 characters' },
  description: { type: 'text', help: 'description, up to 2000 characters' },
  tagName: { type: 'text', help: 'tag name, 1 to 64 characters' },
  duration: { type: 'integer', help: 'duration in days' },
  price: { type: 'text', help: 'price, an exact decimal such as 29.90' },
  usernamePostfix: { type: 'text', help: 'suffix of usernames', removes: 'the suffix of usernames' },
  usernamePostfixId: { type: 'text', help: 'id that belongs to the suffix', removes: 'the id of the suffix' },
  dailyBandwidth: { type: 'text', help: 'daily traffic limit, such as unlimited or 10GB' },
  multiLoginCount: { type: 'integer', help: 'maximum number of concurrent logins per user' },
  downloadUpload: { type: 'text', help: 'speed limits, such as unlimited or 100/100' },
  ip: { type: 'text', help: 'IP address, CIDR block, STATIC or DYNAMIC', removes: 'the IP address' },
  serviceGroupId: {
    type: 'integer',
    help: 'id of the service group',
    removes: 'the group from its service group',
  },
  hidden: { type: 'boolean', help: 'whether the group is not offered at registration' },
  protected: { type: 'boolean', help: 'whether deletes of the group are rejected' },
};
