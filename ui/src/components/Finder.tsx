import { useNavigate, useRouterState } from '@tanstack/react-router';
import { type KeyboardEvent, useId, useMemo, useState } from 'react';
import { useFleet, usePage } from '../api/queries';
import type { Level } from '../api/types';
import { useAddress } from '../lib/address';
import { forTarget, kept, type Search } from '../lib/search';
import { LevelTag } from './Level';
import { NAV_ITEMS } from './nav';

interface Choice {
  id: string;
  label: string;
  what: string;
  level?: Level;
  to: string;
  params?: Record<string, string>;
  search: Search;
}

const MOST = 60;

/** Finds pages, databases, collectors and statements; also how to choose a database. */
export function Finder({ onDone }: { onDone: () => void }) {
  const [text, setText] = useState('');
  const [at, setAt] = useState(0);
  const [search] = useAddress();
  const navigate = useNavigate();
  const list = useId();
  const fleet = useFleet();
  const agent = usePage('collectors');
  const path = useRouterState({ select: (state) => state.location.pathname });
  const choices = useMemo<Choice[]>(() => {
    const targets = (fleet.data?.data.targets ?? []).map(
      (target): Choice => ({
        id: `db ${target.cluster}/${target.db}`,
        label: `${target.cluster} / ${target.db}`,
        what: 'database',
        level: target.level,
        to: path === '/fleet' ? '/' : path,
        search: forTarget(search, target.cluster, target.db),
      }),
    );
    const pages = NAV_ITEMS.map(
      (item): Choice => ({ id: `page ${item.to}`, label: item.label, what: 'page', to: item.to, search: kept(search) }),
    );
    const collectors = (agent.data?.data.panels.collectors?.rows ?? []).map(
      (row): Choice => ({
        id: `collector ${row.name} ${row.datname}`,
        label: String(row.title),
        what: `collector ${String(row.name)}`,
        to: '/collectors/$name',
        params: { name: String(row.name) },
        search: kept(search),
      }),
    );
    const statement: Choice[] = /^-?\d{3,20}$/.test(text.trim())
      ? [
          {
            id: 'statement',
            label: `Statement ${text.trim()}`,
            what: 'query ID',
            to: '/queries/$queryid',
            params: { queryid: text.trim() },
            search: kept(search),
          },
        ]
      : [];
    const words = text.toLowerCase().split(/\s+/).filter(Boolean);
    const fits = (choice: Choice) =>
      words.every((word) => `${choice.label} ${choice.what}`.toLowerCase().includes(word));
    const found = [...targets, ...pages, ...collectors].filter(fits);
    return [
      ...statement,
      ...found.filter((choice, i) => found.findIndex((other) => other.id === choice.id) === i),
    ].slice(0, MOST);
  }, [fleet.data, agent.data, path, search, text]);
  const current = choices[Math.min(at, choices.length - 1)];
  const go = (choice: Choice | undefined) => {
    if (choice === undefined) return;
    onDone();
    void navigate({ to: choice.to, params: choice.params ?? {}, search: choice.search } as never);
  };
  const onKey = (event: KeyboardEvent) => {
    if (event.key === 'ArrowDown') setAt(Math.min(at + 1, choices.length - 1));
    else if (event.key === 'ArrowUp') setAt(Math.max(at - 1, 0));
    else if (event.key === 'Enter') go(current);
    else return;
    event.preventDefault();
  };
  return (
    <div>
      <input
        className="wide-input"
        data-autofocus
        type="search"
        role="combobox"
        aria-expanded="true"
        aria-controls={list}
        aria-activedescendant={current === undefined ? undefined : `${list}-${choices.indexOf(current)}`}
        aria-label="Search pages, databases, collectors and query IDs"
        placeholder="A database, a page, a collector or a query ID"
        value={text}
        onChange={(event) => {
          setText(event.currentTarget.value);
          setAt(0);
        }}
        onKeyDown={onKey}
      />
      {choices.length === 0 ? <p className="empty">Nothing has that name.</p> : null}
      <div className="choices" role="listbox" id={list} aria-label="Found">
        {choices.map((choice, i) => (
          <button
            type="button"
            key={choice.id}
            id={`${list}-${i}`}
            role="option"
            tabIndex={-1}
            aria-selected={choice === current}
            className="choice"
            ref={choice === current ? (element) => element?.scrollIntoView({ block: 'nearest' }) : undefined}
            onClick={() => go(choice)}
          >
            {choice.level === undefined ? null : <LevelTag level={choice.level} bare />}
            {choice.label}
            <span className="push">{choice.what}</span>
          </button>
        ))}
      </div>
    </div>
  );
}
