/** The vendor's message for a successful change. */
export const done = 'Requested operation is done successfully';
