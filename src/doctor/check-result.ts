/** The result of one check. `message` says what is wrong and what to do. */
export type CheckResult = {
  readonly name: string;
  readonly state: 'ok' | 'warning' | 'wrong';
  readonly message: string;
};

export function passed(name: string, message: string): CheckResult {
  return { name, state: 'ok', message };
}

export function warned(name: string, message: string): CheckResult {
  return { name, state: 'warning', message };
}

export function failed(name: string, message: string): CheckResult {
  return { name, state: 'wrong', message };
}
