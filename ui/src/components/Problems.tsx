import { Link } from '@tanstack/react-router';
import type { Problem } from '../api/types';
import { useAddress } from '../lib/address';
import { formatAge } from '../lib/format';
import { kept } from '../lib/search';
import { LevelTag } from './Level';
import { pageOf } from './nav';
import { RemedyDetails } from './Sql';
import { Time } from './Value';

export function Problems({ problems, asOf, here }: { problems: readonly Problem[]; asOf: string; here: string }) {
  const [search] = useAddress();
  return (
    <section className="panel" aria-labelledby="problems-head">
      <div className="panel-head">
        <h2 id="problems-head">Problems</h2>
        <span className="muted">
          {problems.length === 1 ? '1 problem' : `${problems.length} problems`}, worst first
        </span>
      </div>
      <ul data-hold>
        {problems.map((problem) => {
          const page = pageOf(problem.page);
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
                    {page === undefined || page.to === here ? null : (
                      <Link to={page.to} search={kept(search)}>
                        {page.label}
                      </Link>
                    )}
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
