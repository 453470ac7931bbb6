/** What was found about one thing that a server needs. `message` says what is wrong and what to do. */
export type Check = {
  readonly name: string;
  readonly state: 'ok' | 'warning' | 'wrong';
  readonly message: string;
};

export function ok(name: string, message: string): Check {
  return { name, state: 'ok', message };
}

export function warning(name: string, message: string): Check {
  return { name, state: 'warning', message };
}

export function wrong(name: string, message: string): Check {
  return { name, state: 'wrong', message };
}
