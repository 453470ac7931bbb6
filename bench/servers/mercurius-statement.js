import { serve } from './mercurius.js';
import { deleteByStatement } from './statement.js';

await serve(deleteByStatement);
