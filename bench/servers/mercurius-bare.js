import { serve } from './mercurius.js';
import { columns } from './schema.js';

const text = `DELETE FROM groups WHERE id = $1 RETURNING ${columns}`;

await serve(async (pool, id) => {
  const { rows } = await pool.query({ name: 'delete', text, values: [id] });
  return rows[0] ?? null;
});
