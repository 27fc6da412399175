import { useMemo } from 'react';
import { useServices } from '../api/queries';
import type { Row, Service, Verdict } from '../api/types';
import { useDataTable } from '../components/DataTable';
import { ErrorView } from '../components/Errors';
import { isLevel, LevelIcon } from '../components/Level';
import { LevelBand, useLevel } from '../components/LevelBand';
import { ListPanel } from '../components/ListPanel';
import { NothingConfigured } from '../components/NothingConfigured';
import { pageOf } from '../components/nav';
import { PageHead, useScrollTo, VerdictBanner } from '../components/Page';
import { ReasonLine } from '../components/Panel';
import { ServiceEvidence } from '../components/ServiceEvidence';
import { formatAge } from '../lib/format';
import { certificate, criticalVerdict, isLate, STATE_WORDS, serviceColumns } from '../lib/services';

const EXAMPLE = `services:
  cache:  {type: redis, host: 127.0.0.1, port: 6379, password_file: /run/secrets/redis, critical: true}
  api:    {type: http, url: "https://api.internal/health", expected_status: [200]}
  mail:   {type: tcp, host: mail.internal, port: 25}
  pooler: {type: pgbouncer, host: 127.0.0.1, port: 6432, username: stats, password_file: /run/secrets/stats}
`;

const NONE: readonly Service[] = [];

function cellsAsOf(now: number) {
  return {
    level: (row: Row) =>
      isLevel(row.level) ? (
        <span className={`level level-${row.level}`}>
          <LevelIcon level={row.level} />
          {STATE_WORDS[row.state as Service['state']] ?? String(row.state)}
        </span>
      ) : undefined,
    critical: (row: Row) =>
      row.critical === true ? <span className="tag tag-plain">critical</span> : <span className="muted">no</span>,
    age_seconds: (row: Row) =>
      typeof row.age_seconds === 'number' && isLate(row) ? (
        <span className="tag tag-warn" title="It should have been checked again by now">
          late: {formatAge(row.age_seconds)}
        </span>
      ) : undefined,
    certificate_ends: (row: Row) => {
      const found = certificate(row.certificate_ends, now);
      return found === undefined ? undefined : found.level === 'ok' ? (
        found.text
      ) : (
        <span className={`tag tag-${found.level}`}>
          <LevelIcon level={found.level} size={13} />
          {found.text}
        </span>
      );
    },
  };
}

const nameOf = (row: Row) => String(row.name);

export default function Services() {
  const answer = useServices();
  const level = useLevel();
  const data = answer.data?.data;
  const all = data?.services ?? NONE;
  const now = Date.parse(answer.data?.as_of ?? '');
  const columns = useMemo(() => serviceColumns(now), [now]);
  const cells = useMemo(() => cellsAsOf(now), [now]);
  const rows = useMemo<Row[]>(
    () => all.filter((service) => level === undefined || service.level === level),
    [all, level],
  );
  const { tools, table } = useDataTable({
    name: 'services',
    label: 'services',
    rows,
    columns,
    cells,
    detail: (row) => <ServiceEvidence name={nameOf(row)} />,
    idOf: nameOf,
  });
  useScrollTo(data !== undefined);
  const verdicts: Verdict[] = data === undefined ? [] : [data.verdict, criticalVerdict(all) ?? []].flat();
  return (
    <>
      <PageHead title="Services" question={pageOf('services')?.question ?? ''} />
      {answer.isError ? <ErrorView error={answer.error} title="Services" /> : null}
      {data === undefined ? (
        answer.isError ? null : (
          <>
            <div aria-busy="true" className="skeleton wait-verdict" />
            <div className="skeleton wait-panel" />
          </>
        )
      ) : data.counts.all === 0 ? (
        <NothingConfigured id="services" title="No service is configured" example={EXAMPLE}>
          <p>
            What databases stand on, or what stands on them, can be checked as well: Redis and Valkey, PgBouncer, HTTP,
            TCP, and a PostgreSQL of which only its being there matters. Each is a name below <code>services:</code>,
            and is checked every 15 seconds. <code>critical: true</code> makes <a href="health">/health</a> answer 503
            while it fails.
          </p>
        </NothingConfigured>
      ) : (
        <>
          <VerdictBanner verdicts={verdicts} />
          <LevelBand counts={data.counts} />
          <ListPanel
            id="services"
            title="Services"
            rows={rows.length}
            all={data.counts.all}
            none="There are none."
            tools={tools}
            table={table}
            above={<ReasonLine state={answer.data?.state ?? 'ok'} reason={answer.data?.reason ?? null} />}
            from="From the last check of each; looking at this page makes none"
            oldest={{ seconds: answer.data?.age_seconds, receivedAt: answer.dataUpdatedAt }}
            foot={
              <span>
                For machines: <a href="health">/health</a>, <a href="health?detail=1">with details</a>
              </span>
            }
          />
        </>
      )}
    </>
  );
}
