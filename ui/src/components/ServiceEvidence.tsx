import { IconChevronRight } from '@tabler/icons-react';
import { useAnswer } from '../api/queries';
import type { MetricRef, Schemas, ServiceDetail } from '../api/types';
import { formatDuration } from '../lib/format';
import { sentence, visible } from '../lib/visible';
import { counted } from '../lib/words';
import { HistoryChart } from './Chart';
import { LevelIcon } from './Level';
import { ScrollBox } from './ScrollBox';
import { Shown } from './Shown';

function Check({ check, step }: { check: Schemas['CheckEvidence']; step: number }) {
  const { asked, duration_ms, columns, rows } = check;
  const pairs = columns.length <= 2;
  // A check may ask the same twice.
  const called = `${step}: ${visible(asked.replaceAll(/\s+/g, ' ')).slice(0, 80)}`;
  return (
    <section className="evidence" aria-label={`Asked ${called}`}>
      <div className="sql-head">
        <code className="evidence-asked">
          <Shown text={asked} lines />
        </code>
        <span>{formatDuration(duration_ms / 1000)}</span>
        <span>{counted(rows.length, 'row')}</span>
      </div>
      {rows.length === 0 ? (
        <p className="muted">It gave no rows.</p>
      ) : (
        <ScrollBox className="evidence-rows" label={`Read ${called}`}>
          <table className={pairs ? 'evidence-table pairs' : 'evidence-table'}>
            <thead>
              <tr>
                {columns.map((column) => (
                  <th key={column} scope="col">
                    {column}
                  </th>
                ))}
              </tr>
            </thead>
            <tbody>
              {rows.map((row, i) => (
                // biome-ignore lint/suspicious/noArrayIndexKey: rows as they came, which have no names
                <tr key={i}>
                  {row.map((value, place) => (
                    // biome-ignore lint/suspicious/noArrayIndexKey: by its column
                    <td key={place}>
                      <Shown text={value} lines />
                    </td>
                  ))}
                </tr>
              ))}
            </tbody>
          </table>
        </ScrollBox>
      )}
    </section>
  );
}

function Metrics({ metrics }: { metrics: ServiceDetail['metrics'] }) {
  if (metrics.length === 0) return null;
  return (
    <details className="remedy">
      <summary>
        <IconChevronRight size={14} aria-hidden />
        {counted(metrics.length, 'metric')}, as at /metrics
      </summary>
      <ScrollBox className="evidence-rows" label="Its metrics">
        <table className="evidence-table pairs">
          <thead>
            <tr>
              <th scope="col">Metric</th>
              <th scope="col">Value</th>
            </tr>
          </thead>
          <tbody>
            {metrics.map(({ name, labels, value }) => {
              const said = Object.entries(labels).map(([label, of]) => `${label}=${JSON.stringify(of)}`);
              const text = said.length === 0 ? name : `${name}{${said.join(', ')}}`;
              return (
                <tr key={text}>
                  <td>
                    <code>
                      <Shown text={text} />
                    </code>
                  </td>
                  <td className="num">{String(value)}</td>
                </tr>
              );
            })}
          </tbody>
        </table>
      </ScrollBox>
    </details>
  );
}

const past = (metric: string, service: string): MetricRef => ({ metric, labels: { service }, counter: false });

/** What the last check of a service asked, and what it read: without secrets, as the API gives it. */
export function ServiceEvidence({ name }: { name: string }) {
  const answer = useAnswer<ServiceDetail>(`services/${encodeURIComponent(name)}`, {});
  const detail = answer.data?.data;
  if (detail === undefined)
    return answer.isError ? (
      <p className="level-crit">What its check read cannot be shown: {sentence(answer.error.message)}</p>
    ) : (
      <div aria-busy="true" className="skeleton wait-evidence" />
    );
  return (
    <>
      {detail.reason === null ? null : (
        <p className="said">
          <LevelIcon level="crit" />
          <span>
            <Shown text={detail.reason} lines />
          </span>
        </p>
      )}
      {detail.warnings.map((warning) => (
        <p key={warning} className="said">
          <LevelIcon level="warn" />
          <span>
            <Shown text={warning} lines />
          </span>
        </p>
      ))}
      {detail.evidence.length === 0 ? (
        <p className="muted">
          {detail.service.state === 'pending'
            ? 'Nothing was asked yet.'
            : 'The check ended before anything could be read.'}
        </p>
      ) : (
        detail.evidence.map((check, i) => (
          // biome-ignore lint/suspicious/noArrayIndexKey: steps of one check, in their order
          <Check key={i} check={check} step={i + 1} />
        ))
      )}
      <Metrics metrics={detail.metrics} />
      {detail.service.state === 'pending' ? null : (
        <>
          <HistoryChart title="Whether it was good" metric={past('service_health', name)} unit="count" />
          <HistoryChart title="How long its checks took" metric={past('probe_duration_seconds', name)} unit="seconds" />
        </>
      )}
    </>
  );
}
