/** `1 problem`, `2 problems` */
export function counted(n: number, one: string, many = `${one}s`): string {
  return `${n.toLocaleString('en-US')} ${n === 1 ? one : many}`;
}

/** `a, b and 2 more` */
export function listed(names: readonly string[], most: number): string {
  const left = names.length - most;
  // Naming it takes no more room than counting it.
  if (left <= 1) return names.join(', ');
  return `${names.slice(0, most).join(', ')} and ${left.toLocaleString('en-US')} more`;
}
