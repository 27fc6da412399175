/** The API's types, as `npm run api` makes them, by the names that the pages use. */

import type { components } from './schema';

/** All schemas of docs/openapi.json. */
export type Schemas = components['schemas'];

export type Level = Schemas['Level'];
export type State = Schemas['State'];
export type Need = Schemas['Need'];
export type Executed = Schemas['Executed'];
export type Verdict = Schemas['Verdict'];
export type Remedy = Schemas['Remedy'];
export type Problem = Schemas['Problem'];
export type Figure = Schemas['Figure'];
export type Thresholds = Schemas['Thresholds'];
export type MetricRef = Schemas['MetricRef'];
export type TargetRef = Schemas['TargetRef'];
export type Target = Schemas['Target'];
export type Fleet = Schemas['Fleet'];
export type History = Schemas['History'];
export type Series = Schemas['Series'];
export type LockNode = Schemas['LockNode'];
export type ReplicationNode = Schemas['ReplicationNode'];
export type CollectorData = Schemas['CollectorData'];

/** A row of any panel. */
export type Row = Record<string, unknown>;

/** An answer about anything. */
export type Answer<T> = Omit<Schemas['FleetAnswer'], 'data'> & { data: T };

/** A panel of any rows. */
export type Panel = Omit<Schemas['LockNodePanel'], 'rows'> & { rows: Row[] | null };

/** A page, whatever its panels: what the API adds is shown without knowing it. */
export type GenericPage = Omit<Schemas['OverviewPage'], 'panels'> & { panels: Record<string, Panel> };

/** A service that is checked besides databases. */
export type Service = Schemas['ServiceRow'];
export type Services = Schemas['Services'];
export type ServiceDetail = Schemas['ServiceDetail'];
export type ClusterDetail = Schemas['ClusterDetail'];
export type ClusterView = Schemas['ClusterView'];
export type Clusters = Schemas['Clusters'];
/** What a manager says of a cluster. */
export type ClusterModel = Schemas['ClusterModel'];
export type ClusterMember = Schemas['ClusterMember'];
