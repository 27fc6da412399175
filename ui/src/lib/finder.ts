/** What the finder finds. */

import type { ClusterView, Level, Row, Service } from '../api/types';
import { calledOf, keyOf, MANAGERS, ROLES } from './clusters';
import { type Place, rowPlace } from './places';

export interface Words {
  /** What all have to be found. */
  all: readonly string[];
  /** The one that the server is asked for: it looks for one text. */
  longest: string;
}

export function wordsOf(text: string): Words {
  const all = text.toLowerCase().split(/\s+/).filter(Boolean);
  return { all, longest: all.reduce((best, word) => (word.length > best.length ? word : best), '') };
}

interface Named {
  label: string;
  what: string;
}

/** Those with all words; first whose name begins with the first one, then whose name has it. */
export function rank<T extends Named>(choices: readonly T[], { all }: Words): T[] {
  const [first] = all;
  if (first === undefined) return [...choices];
  const score = ({ label }: T) => {
    const name = label.toLowerCase();
    // The name of a table begins after its schema, that of a database after its cluster.
    return name.startsWith(first) || name.includes(`.${first}`) || name.includes(`/ ${first}`)
      ? 0
      : name.includes(first)
        ? 1
        : 2;
  };
  return choices
    .filter(({ label, what }) => all.every((word) => `${label} ${what}`.toLowerCase().includes(word)))
    .map((choice, i) => ({ choice, i, score: score(choice) }))
    .sort((a, b) => a.score - b.score || a.i - b.i)
    .map(({ choice }) => choice);
}

interface Found extends Named {
  id: string;
  level?: Level;
  place: Place;
}

export function tableChoice(row: Row): Found | undefined {
  const name = row.relation;
  if (typeof name !== 'string') return undefined;
  return { id: `table ${name}`, label: name, what: 'table', place: rowPlace('/storage', 'storage-tables', row, name) };
}

export function indexChoice(row: Row): Found | undefined {
  const name = row.index;
  if (typeof name !== 'string') return undefined;
  const of = typeof row.table_name === 'string' ? `index of ${row.table_name}` : 'index';
  return { id: `index ${name}`, label: name, what: of, place: rowPlace('/storage', 'indexes-indexes', row, name) };
}

export function statementChoice(row: Row): Found | undefined {
  const { queryid, text } = row;
  if (typeof queryid !== 'string') return undefined;
  return {
    id: `statement ${queryid}`,
    label: typeof text === 'string' ? text.replace(/\s+/g, ' ').slice(0, 160) : `Statement ${queryid}`,
    what: `statement ${queryid}`,
    place: { to: '/queries/$queryid', params: { queryid }, search: {} },
  };
}

export function serviceChoice({ name, type, level }: Service): Found {
  const search = { 'q.services': name, open: `services:${name}` };
  return {
    id: `service ${name}`,
    label: name,
    what: `${type} service`,
    level,
    place: { to: '/services', search, hash: 'services' },
  };
}

/** A cluster, and its members by their names and addresses. */
export function clusterChoices(view: ClusterView): Found[] {
  const key = keyOf(view);
  const place: Place = { to: '/clusters', search: { one: key } };
  const members = (view.cluster?.members ?? []).map((member): Found => {
    const others = [member.id, member.address].filter((text) => text !== null && text !== calledOf(member));
    return {
      id: `member ${key} ${member.id}`,
      label: calledOf(member),
      what: [`${ROLES[member.role].toLowerCase()} of ${view.name}`, ...others].join(' '),
      place,
    };
  });
  return [
    { id: `cluster ${key}`, label: view.name, what: `cluster ${MANAGERS[view.manager]}`, level: view.level, place },
    ...members,
  ];
}
