//! Makes `docs/openapi.json` from the types, and fails if the committed one differs.
//!
//! OpenAPI 3.1 takes JSON Schema as it is, so that the schemas are those of schemars.

use pgmon_views::answer::{Answer, ApiError};
use pgmon_views::{Page, agent, clusters, fleet, generic, history, pages, services, texts};
use schemars::generate::{SchemaGenerator, SchemaSettings};
use serde_json::{Map, Value, json};

/// A query or path parameter.
struct Param(&'static str, &'static str, &'static str);

const CLUSTER: Param =
    Param("cluster", "string", "The cluster of the database. May be left out where `db` alone is clear.");
const DB: Param = Param("db", "string", "The entry's name. May be left out if only one database is watched.");
const DATNAME: Param = Param(
    "datname",
    "string",
    "Of an entry with `discover: true`, the database that figures of single databases are from; without it the entry's own.",
);
const PANEL: Param = Param("panel", "string", "Only this panel. CSV needs one where a page has several.");
const MANAGER: Param =
    Param("manager", "string", "Only those of this manager: manatee, patroni or streaming.");
const SERVICE: Param =
    Param("service", "string", "The service, of metrics that services have; in place of a database.");
const SORT: Param =
    Param("sort", "string", "Sort the rows by this column; needs `panel` where a page has several.");
const ORDER: Param = Param(
    "order",
    "order",
    "The order of `sort`; without it `desc` for numbers and levels (the worst first), and `asc` for texts.",
);
const LIMIT: Param = Param("limit", "count", "At most so many rows of each panel.");
const Q: Param = Param("q", "string", "Only rows in which a text contains this, whatever the case.");

const PAGE: &[Param] = &[CLUSTER, DB, DATNAME, PANEL, SORT, ORDER, LIMIT, Q];

struct Endpoint {
    path: &'static str,
    id: &'static str,
    summary: &'static str,
    params: &'static [Param],
    schema: fn(&mut SchemaGenerator) -> Value,
    csv: bool,
}

fn answer<T: schemars::JsonSchema>(generator: &mut SchemaGenerator) -> Value {
    generator.subschema_for::<Answer<T>>().to_value()
}

macro_rules! page {
    ($path:literal, $id:literal, $panels:ty, $summary:literal) => {
        Endpoint {
            path: $path,
            id: $id,
            summary: $summary,
            params: PAGE,
            schema: answer::<Page<$panels>>,
            csv: true,
        }
    };
}

const ENDPOINTS: &[Endpoint] = &[
    Endpoint {
        path: "/api/v1/targets",
        id: "targets",
        summary: "All watched databases, the worst first.",
        params: &[
            Param("sparklines", "boolean", "With the last hour of the most important figures."),
            SORT,
            ORDER,
            LIMIT,
            Q,
        ],
        schema: answer::<fleet::Fleet>,
        csv: true,
    },
    Endpoint {
        path: "/api/v1/services",
        id: "services",
        summary: "All services that are checked besides databases, the worst first.",
        params: &[SORT, ORDER, LIMIT, Q],
        schema: answer::<services::Services>,
        csv: true,
    },
    Endpoint {
        path: "/api/v1/services/{name}",
        id: "service",
        summary: "One service, with what its last check asked and read.",
        params: &[Param("name", "path", "Its name in the configuration.")],
        schema: answer::<services::ServiceDetail>,
        csv: false,
    },
    page!("/api/v1/overview", "overview", pages::overview::Panels, "Is it healthy, and if not, what first?"),
    page!("/api/v1/activity", "activity", pages::activity::Panels, "Who is there, and what are they doing?"),
    page!("/api/v1/locks", "locks", pages::locks::Panels, "Who blocks whom?"),
    page!(
        "/api/v1/autovacuum",
        "autovacuum",
        pages::autovacuum::Panels,
        "Is vacuum keeping up, and if not, why?"
    ),
    page!(
        "/api/v1/top-queries",
        "topQueries",
        pages::statements::Panels,
        "What consumes the server, and what changed?"
    ),
    Endpoint {
        path: "/api/v1/statements/{queryid}",
        id: "statement",
        summary: "One statement.",
        params: &[
            Param("queryid", "path", "The `queryid`, a decimal string: it may be below 0 and beyond 2^53."),
            CLUSTER,
            DB,
        ],
        schema: answer::<Page<pages::statements::StatementPanels>>,
        csv: false,
    },
    page!("/api/v1/storage", "storage", pages::storage::Panels, "What grows?"),
    page!(
        "/api/v1/indexes",
        "indexes",
        pages::indexes::Panels,
        "Which indexes are waste, and which are broken?"
    ),
    page!("/api/v1/bloat", "bloat", pages::bloat::Panels, "How much space would a rewrite give back?"),
    page!(
        "/api/v1/partitions",
        "partitions",
        pages::partitions::Panels,
        "Will inserts fail, or fall into a DEFAULT partition?"
    ),
    page!("/api/v1/replication", "replication", pages::replication::Panels, "Who lags, and at which stage?"),
    page!(
        "/api/v1/wraparound",
        "wraparound",
        pages::wraparound::Panels,
        "How far is the server from stopping to take writes?"
    ),
    page!("/api/v1/wal", "wal", pages::wal::Panels, "How much WAL is written, and is it taken care of?"),
    page!("/api/v1/io", "io", pages::io::Panels, "Who reads and writes, and does the cache hold?"),
    page!(
        "/api/v1/settings",
        "settings",
        pages::settings::Panels,
        "How is the server set up, and what changed?"
    ),
    Endpoint {
        path: "/api/v1/clusters",
        id: "clusters",
        summary: "Clusters as their managers and members have them: topology with the lag of each hop, issues and history, the worst first.",
        params: &[Param("name", "string", "Only the clusters of this name."), MANAGER, SORT, ORDER, LIMIT, Q],
        schema: answer::<clusters::Clusters>,
        csv: true,
    },
    Endpoint {
        path: "/api/v1/clusters/{name}",
        id: "cluster",
        summary: "One cluster, with the state as it was read.",
        params: &[Param("name", "path", "The label `cluster` of its metrics."), MANAGER],
        schema: answer::<clusters::ClusterDetail>,
        csv: false,
    },
    page!("/api/v1/collectors", "collectors", agent::Panels, "Is monitoring itself working?"),
    Endpoint {
        path: "/api/v1/collectors/{name}",
        id: "collector",
        summary: "What a collector or a custom query (`query:NAME`) found last.",
        params: &[Param("name", "path", "Its name."), CLUSTER, DB, DATNAME, PANEL, SORT, ORDER, LIMIT, Q],
        schema: answer::<generic::CollectorData>,
        csv: true,
    },
    Endpoint {
        path: "/api/v1/sql/{collector}",
        id: "sql",
        summary: "A collector's statements in all versions.",
        params: &[Param("collector", "path", "Its name.")],
        schema: answer::<texts::CollectorTexts>,
        csv: false,
    },
    Endpoint {
        path: "/api/v1/history",
        id: "historyMetrics",
        summary: "The metrics that have a past, for `history/{metric}`.",
        params: &[CLUSTER, DB, SERVICE, SORT, ORDER, LIMIT, Q],
        schema: answer::<history::HistoryMetrics>,
        csv: true,
    },
    Endpoint {
        path: "/api/v1/history/{metric}",
        id: "history",
        summary: "What the series of a metric did. Any other parameter is a label that series must have (`relation=public.orders`); `!` at the end of its name: must not have.",
        params: &[
            Param("metric", "path", "Its name as in `/metrics`."),
            CLUSTER,
            DB,
            SERVICE,
            Param(
                "from",
                "string",
                "The first moment: RFC 3339, Unix seconds, or seconds before now as `-3600`. Without it an hour before `to`.",
            ),
            Param("to", "string", "The last moment, the same. Without it now."),
            Param("points", "count", "At most so many points a series (240)."),
            Param("step", "number", "Seconds between points, instead of `points`."),
            Param("series", "count", "At most so many series (50)."),
            Param("rate", "boolean", "Rates per second; without it that is so for counters."),
        ],
        schema: answer::<history::History>,
        csv: false,
    },
];

fn parameter(param: &Param) -> Value {
    let Param(name, kind, description) = *param;
    let schema = match kind {
        "path" => json!({ "type": "string" }),
        "order" => json!({ "type": "string", "enum": ["asc", "desc"] }),
        "count" => json!({ "type": "integer", "minimum": 1 }),
        kind => json!({ "type": kind }),
    };
    let place = if kind == "path" { "path" } else { "query" };
    json!({ "name": name, "in": place, "required": kind == "path", "description": description, "schema": schema })
}

/// Leaves out what says nothing to a reader of JSON: how wide a number is here, and where lines broke.
fn tidy(value: &mut Value) {
    match value {
        Value::Object(object) => {
            let numeric = |f: &Value| f.as_str().is_some_and(|f| f == "double" || f.contains("int"));
            if object.get("format").is_some_and(numeric) {
                object.remove("format");
            }
            if let Some(Value::String(text)) = object.get_mut("description") {
                *text = text.replace('\n', " ");
            }
            object.values_mut().for_each(tidy);
        }
        Value::Array(list) => list.iter_mut().for_each(tidy),
        _ => {}
    }
}

fn document() -> Value {
    let settings = SchemaSettings::draft2020_12().for_serialize().with(|s| {
        s.definitions_path = "/components/schemas".into();
        s.meta_schema = None;
    });
    let mut generator = settings.into_generator();
    let mut paths = Map::new();
    let error = generator.subschema_for::<ApiError>().to_value();
    let refusal = |description: &str| json!({ "description": description, "content": { "application/json": { "schema": error } } });
    for endpoint in ENDPOINTS {
        let schema = (endpoint.schema)(&mut generator);
        let mut content = Map::new();
        content.insert("application/json".into(), json!({ "schema": schema }));
        if endpoint.csv {
            content.insert("text/csv".into(), json!({ "schema": { "type": "string" } }));
        }
        let parameters: Vec<Value> = endpoint.params.iter().map(parameter).collect();
        let operation = json!({
            "operationId": endpoint.id,
            "summary": endpoint.summary,
            "parameters": parameters,
            "responses": {
                "200": {
                    "description": "The latest figures. With `If-None-Match` and nothing new: 304.",
                    "headers": { "ETag": { "description": "Changes with the figures; ages do not count.", "schema": { "type": "string" } } },
                    "content": content
                },
                "304": { "description": "Nothing is new." },
                "400": refusal("A parameter is wrong, or there are several databases and none is chosen."),
                "401": refusal("Log in, or send a key."),
                "403": refusal("Not allowed, or the listener is open to others and has no authentication."),
                "404": refusal("There is no such thing.")
            }
        });
        paths.insert(endpoint.path.into(), json!({ "get": operation }));
    }
    let mut schemas: Map<String, Value> = generator.take_definitions(true);
    schemas.values_mut().for_each(tidy);
    json!({
        "openapi": "3.1.0",
        "info": {
            "title": "pgmon",
            "version": "1",
            "description": "What pgmon knows of the PostgreSQL servers that it watches. No request runs SQL: answers are made from the latest figures and say how old these are. Times are RFC 3339, ratios 0-1, and names end in their unit. What is unknown is null, never 0.",
            "license": { "name": "Apache-2.0", "identifier": "Apache-2.0" }
        },
        "servers": [{ "url": "../..", "description": "Where pgmon is served." }],
        "security": [{}, { "key": [] }, { "basic": [] }, { "session": [] }],
        "paths": paths,
        "components": {
            "schemas": schemas,
            "securitySchemes": {
                "key": { "type": "http", "scheme": "bearer", "description": "A key of `http.auth.api_keys`." },
                "basic": { "type": "http", "scheme": "basic", "description": "A user of `http.auth.basic`." },
                "session": { "type": "apiKey", "in": "cookie", "name": "pgmon_session", "description": "From the form at `/login`." }
            }
        }
    })
}

#[test]
fn the_openapi_document_is_up_to_date() {
    let made = format!("{:#}\n", document());
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/openapi.json");
    if std::env::var_os("UPDATE_OPENAPI").is_some() {
        std::fs::write(path, &made).unwrap();
        return;
    }
    assert!(
        made == super::OPENAPI,
        "docs/openapi.json is not what the code says; UPDATE_OPENAPI=1 cargo nextest run -p pgmon-http openapi writes it anew"
    );
}

#[test]
fn the_paths_that_are_named_are_those_that_are_described() {
    let described: std::collections::BTreeSet<&str> =
        ENDPOINTS.iter().map(|e| e.path).chain(["/api/v1/openapi.json"]).collect();
    let named = super::PATHS.iter().map(|path| format!("/api/v1/{path}"));
    assert_eq!(
        named.collect::<std::collections::BTreeSet<_>>(),
        described.into_iter().map(str::to_owned).collect()
    );
}

#[test]
fn every_schema_has_its_own_name_and_every_reference_leads_somewhere() {
    let document = document();
    let schemas = document["components"]["schemas"].as_object().unwrap();
    for name in schemas.keys() {
        assert!(
            !name.ends_with(|c: char| c.is_ascii_digit()) && name.chars().all(|c| c.is_ascii_alphanumeric()),
            "{name}: two types have one name, or it is no name in TypeScript; #[schemars(rename = ...)]"
        );
    }
    fn refs<'v>(value: &'v Value, out: &mut Vec<&'v str>) {
        match value {
            Value::Object(o) => {
                out.extend(o.get("$ref").and_then(Value::as_str));
                o.values().for_each(|v| refs(v, out));
            }
            Value::Array(a) => a.iter().for_each(|v| refs(v, out)),
            _ => {}
        }
    }
    let mut found = Vec::new();
    refs(&document, &mut found);
    assert!(found.len() > 100);
    for reference in found {
        assert!(document.pointer(reference.trim_start_matches('#')).is_some(), "{reference}");
    }
}
