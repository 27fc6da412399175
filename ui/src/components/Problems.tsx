import { Link } from '@tanstack/react-router';
import type { Problem } from '../api/types';
import { useAddress } from '../lib/address';
import { formatAge } from '../lib/format';
import { placeOf } from '../lib/places';
import { kept } from '../lib/search';
import { counted } from '../lib/words';
import { LevelTag } from './Level';
import { pageOf } from './nav';
import { RemedyDetails } from './Sql';
import { Time } from './Value';

const WORDS: Record<string, string> = { '/queries/$queryid': 'The statement', '/collectors/$name': 'The collector' };

/** What it is about, if that can be shown; else its page. */
function Where({ problem, here }: { problem: Problem; here: string }) {
  const [search] = useAddress();
  const page = pageOf(problem.page);
  const place = placeOf(problem);
  if (place !== undefined) {
    const words = WORDS[place.to] ?? (page === undefined || place.to === here ? 'Show it' : page.label);
    return (
      <Link
        to={place.to}
        params={place.params ?? {}}
        search={{ ...kept(search), ...place.search }}
        hash={place.hash ?? ''}
        aria-label={`${words}: ${problem.object}`}
      >
        {words}
      </Link>
    );
  }
  if (page === undefined || page.to === here) return null;
  return (
    <Link to={page.to} search={kept(search)}>
      {page.label}
    </Link>
  );
}

export function Problems({ problems, asOf, here }: { problems: readonly Problem[]; asOf: string; here: string }) {
  return (
    <section className="panel" aria-labelledby="problems-head">
      <div className="panel-head">
        <h2 id="problems-head">Problems</h2>
        <span className="muted">{counted(problems.length, 'problem')}, worst first</span>
      </div>
      <ul data-hold>
        {problems.map((problem) => {
          const age = problem.since === null ? undefined : (Date.parse(asOf) - Date.parse(problem.since)) / 1000;
          return (
            <li key={problem.id} className="problem">
              <LevelTag level={problem.level} />
              <div>
                <div className="problem-head">
                  <span className="problem-title">{problem.title}</span>
                  {problem.object === null ? null : <code>{problem.object}</code>}
                  <span className="problem-side">
                    {problem.since === null || age === undefined ? null : (
                      <span>
                        for {formatAge(age)}, since <Time at={problem.since} withDate={age > 72_000} />
                      </span>
                    )}
                    <Where problem={problem} here={here} />
                  </span>
                </div>
                <p>{problem.evidence}</p>
                {problem.remedy === null ? null : <RemedyDetails remedy={problem.remedy} />}
              </div>
            </li>
          );
        })}
      </ul>
    </section>
  );
}
