import type { ServiceGroupChanges } from '../../service-groups/service-group.ts';
import type { FieldOptions } from '../field-options.ts';

/** The options of `service-groups create` and `service-groups edit`. */
export const serviceGroupOptions: FieldOptions<keyof ServiceGroupChanges> = {
  name: { type: 'text', help: 'name, 1 to 128 characters' },
  description: { type: 'text', help: 'description, up to 2000 characters' },
  language: { type: 'text', help: 'language, 1 to 64 characters', removes: 'the language' },
  discount: { type: 'decimal', help: 'percentage from 0 to 100' },
};
