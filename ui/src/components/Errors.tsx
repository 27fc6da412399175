import { Link } from '@tanstack/react-router';
import type { ReactNode } from 'react';
import { ApiFailure } from '../api/client';
import { useFleet, usePage } from '../api/queries';
import { useAddress } from '../lib/address';
import { forTarget, kept } from '../lib/search';
import { visible } from '../lib/visible';
import { counted } from '../lib/words';
import { LevelTag } from './Level';
import { Failure } from './Panel';
import { Shown } from './Shown';

/** All that are watched, to choose from. */
function Targets() {
  const fleet = useFleet();
  const [search] = useAddress();
  return (
    <ul className="choices panel-body">
      {(fleet.data?.data.targets ?? []).map(({ cluster, db, level, sentence }) => (
        <li key={`${cluster}/${db}`}>
          <Link className="choice" to="." search={forTarget(search, cluster, db)}>
            <LevelTag level={level} bare />
            <span className="nowrap">
              <Shown text={`${cluster} / ${db}`} />
            </span>
            <span className="push says">{sentence}</span>
          </Link>
        </li>
      ))}
    </ul>
  );
}

/** Which database? For who came without saying. */
export function ChooseTarget() {
  const fleet = useFleet();
  const [search] = useAddress();
  if (fleet.data?.data.targets.length === 0)
    return (
      <Failure title="pgmon watches no database" hint="They are below `databases` in its configuration.">
        <p>
          <Link to="/clusters" search={kept(search)}>
            Clusters
          </Link>{' '}
          and{' '}
          <Link to="/services" search={kept(search)}>
            services
          </Link>{' '}
          need none.
        </p>
      </Failure>
    );
  return (
    <section className="panel" aria-labelledby="choose-head">
      <div className="panel-head">
        <h2 id="choose-head">Which database?</h2>
        <span className="muted">
          pgmon watches {counted(fleet.data?.data.targets.length ?? 0, 'database')}, worst first
        </span>
      </div>
      <Targets />
    </section>
  );
}

/** For whoever has an address of one that is not watched. */
function NoSuchTarget() {
  const [search] = useAddress();
  const name = [search.cluster, search.db].filter((part) => part !== undefined).join(' / ');
  return (
    <>
      <Failure
        title={`pgmon does not watch ${visible(name)}`}
        hint="It may have been renamed in the configuration, or taken out of it. Below are those that are watched."
      />
      <section className="panel" aria-labelledby="choose-head">
        <div className="panel-head">
          <h2 id="choose-head">Databases</h2>
          <span className="muted">worst first</span>
        </div>
        <Targets />
      </section>
    </>
  );
}

/** The server is watched, this database of it is not. */
function NoSuchDatname({ datname }: { datname: string }) {
  const fleet = useFleet();
  const [search] = useAddress();
  const targets = fleet.data?.data.targets ?? [];
  const target = targets.find(
    ({ cluster, db }) => db === search.db && (search.cluster === undefined || cluster === search.cluster),
  );
  const names = target === undefined ? [] : [target.datname ?? [], target.visited].flat();
  return (
    <Failure
      title={`pgmon does not look into the database ${visible(datname)} of this server`}
      hint="It may have been dropped or renamed, or be left out by the configuration. These are looked into:"
    >
      <ul className="choices">
        {names.map((name) => (
          <li key={name}>
            <Link className="choice" to="." search={{ ...kept(search), datname: name }}>
              <Shown text={name} />
            </Link>
          </li>
        ))}
      </ul>
    </Failure>
  );
}

/** Why there may be no such statement, and where the others are. */
export function NoSuchStatement({ queryid }: { queryid: string }) {
  const [search] = useAddress();
  if (!/^-?\d{1,20}$/.test(queryid))
    return (
      <Failure title="This is no query ID" hint="A query ID is a whole number, as pg_stat_statements gives it.">
        <Link to="/queries" search={kept(search)}>
          To the statements that are known
        </Link>
      </Failure>
    );
  return (
    <Failure
      title={`pgmon has no figures of the statement ${queryid}`}
      hint="It may never have run here, have taken too little time to be kept, or have been forgotten by pg_stat_statements when its figures were reset. The same SQL has another ID in another database or version."
    >
      <p>
        <Link to="/queries" search={kept(search)}>
          The statements that take the most time
        </Link>
      </p>
    </Failure>
  );
}

/** There is no such collector: those that there are. */
export function NoSuchCollector({ name }: { name: string }) {
  const agent = usePage('collectors');
  const [search] = useAddress();
  const rows = agent.data?.data.panels.collectors?.rows ?? [];
  const known = new Map(rows.map((row) => [String(row.name), String(row.title)]));
  return (
    <Failure
      title={`There is no collector ${visible(name)}`}
      hint="A query of your own that was taken out of the configuration is no longer here. These are:"
    >
      <ul className="choices">
        {[...known].map(([each, title]) => (
          <li key={each}>
            <Link className="choice" to="/collectors/$name" params={{ name: each }} search={kept(search)}>
              {title}
              <span className="push">{each}</span>
            </Link>
          </li>
        ))}
      </ul>
    </Failure>
  );
}

export function ErrorView({ error, title, missing }: { error: Error; title: string; missing?: ReactNode }) {
  const [search] = useAddress();
  if (error instanceof ApiFailure) {
    if (error.status === 400 && error.databases.length > 0) return <ChooseTarget />;
    if (error.status === 404 && error.databases.length > 0) return <NoSuchTarget />;
    if (error.status === 401) {
      const next = `${location.pathname}${location.search}`;
      return (
        <Failure title="Log in" hint="pgmon asks who you are.">
          <a href={`./login?next=${encodeURIComponent(next)}`}>To the login form</a>
        </Failure>
      );
    }
    if (error.status === 404 && search.datname !== undefined && error.message.includes('database of the server'))
      return <NoSuchDatname datname={search.datname} />;
    if ((error.status === 404 || error.status === 400) && missing !== undefined) return missing;
    const otherwise =
      error.status >= 500 ? 'Perhaps a proxy in front of pgmon says so. This page tries again by itself.' : '';
    return <Failure title={error.message} hint={error.hint === '' ? otherwise : error.hint} />;
  }
  return (
    <Failure
      title={`${title} could not be loaded`}
      hint={`pgmon does not answer (${error.message}). What is shown returns with it; this page tries again by itself.`}
    />
  );
}
