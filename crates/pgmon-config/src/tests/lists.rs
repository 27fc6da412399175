//! SitRep's files, and lists in files of their own.

use std::path::Path;

use proptest::prelude::*;
use serde_json::{Value, json};

use super::{load_with, options};
use crate::{
    Config, ConfigErrors, File, Loaded, MetricShape, MetricType, PasswordSource, QueryScope, Secret, SslMode,
    schema_of,
};

/// SitRep's example, as its documentation describes it.
const SITREPS_DATABASES: &str = r#"{
	"databases": [
		{ "name": "db18", "host": "postgres1", "port": 5432, "user": "sitrep", "pass": "pa$$word", "database": "app" },
		{ "name": "db17", "host": "127.0.0.1", "user": "sitrep", "pass": "secret", "database": "app" }
	]
}
"#;

const SITREPS_QUERIES: &str = r#"[
  {
    "name": "disc_golf_course_count_by_location",
    "help": "Number of courses grouped by location",
    "type": "gauge",
    "labels": ["location"],
    "query": "SELECT location, COUNT(*)::int FROM courses GROUP BY location"
  },
  {
    "name": "disc_golf_total_holes",
    "help": "Total",
    "type": "gauge",
    "labels": [],
    "query": "SELECT SUM(hole_count)::int AS total_holes FROM courses"
  },
  { "name": "disc_golf_holes_by_location", "help": "Holes", "query": "SELECT location, SUM(hole_count) AS n FROM courses WHERE note <> $$x$$ GROUP BY location", "labels": ["location"], "valueField": "n" }
]"#;

fn with_files(main: &str, files: &[(&str, &str)], env: &[(&str, &str)]) -> Result<Loaded, ConfigErrors> {
    let directory = tempfile::tempdir().unwrap();
    for (name, text) in files {
        std::fs::write(directory.path().join(name), text).unwrap();
    }
    let path = directory.path().join("pgmon.yaml");
    let shown = format!("{}/", directory.path().display());
    let here = |text: &str| text.replace(&shown, "");
    Config::load_text(&path, main, &options(env)).map_err(|mut errors| {
        for fault in &mut errors.0 {
            fault.file = here(&fault.file);
            fault.message = here(&fault.message);
        }
        errors
    })
}

fn said(main: &str, files: &[(&str, &str)]) -> Vec<String> {
    let errors = with_files(main, files, &[]).map(|_| ()).unwrap_err();
    errors.diagnostics().iter().map(|fault| format!("{fault} [{}]", fault.pointer)).collect()
}

#[test]
fn sitreps_files_are_accepted_as_they_are() {
    let loaded = with_files(
        "databases_file: databases.json\nqueries_file: queries.json\n",
        &[("databases.json", SITREPS_DATABASES), ("queries.json", SITREPS_QUERIES)],
        &[],
    )
    .unwrap();
    let [first, second] = &loaded.entries[..] else { panic!("{:?}", loaded.entries) };
    assert_eq!((first.db.as_str(), first.connect.to_string()), ("db18", "sitrep@postgres1:5432/app".into()));
    assert_eq!(first.connect.password, PasswordSource::Given(Secret::new("pa$$word")));
    assert_eq!(first.connect.effective_sslmode(), SslMode::Prefer, "SitRep's server has no TLS");
    assert_eq!(second.connect.port, 5432);
    assert!(loaded.warnings[0].to_string().contains("may go without TLS"), "{:?}", loaded.warnings);

    let queries = &loaded.config.queries;
    assert_eq!(queries.len(), 3);
    assert!(queries.iter().all(|q| q.kind == MetricType::Gauge && q.scope == QueryScope::Database));
    assert!(queries[2].query.contains("$$x$$"), "SQL is left alone");
    assert_eq!(queries[2].specs()[0].shape, MetricShape::Number(Some("n".into())));
    assert!(queries[1].at.to_string().ends_with("queries.json:9"), "{}", queries[1].at);
    let lists = loaded.files.iter().filter(|file| file.extension().is_some_and(|e| e == "json"));
    assert_eq!(lists.count(), 2);

    let configz = loaded.configz();
    assert_eq!(configz["databases"], json!(["db18", "db17"]));
    let mut original: Value = serde_json::from_str(SITREPS_QUERIES).unwrap();
    original[2]["type"] = json!("gauge");
    assert_eq!(configz["customMetrics"], original);
    assert!(!configz.to_string().contains("secret"));
}

#[test]
fn sitreps_variables_name_its_files() {
    let directory = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| {
        let path = directory.path().join(name);
        std::fs::write(&path, text).unwrap();
        path.display().to_string()
    };
    let (databases, queries) = (write("d.json", SITREPS_DATABASES), write("q.json", SITREPS_QUERIES));
    let env = [("DBS_CONFIG_FILE", databases.as_str()), ("QUERIES_FILE", queries.as_str())];
    let loaded = Config::load(&options(&env)).unwrap();
    assert_eq!((loaded.entries.len(), loaded.config.queries.len()), (2, 3));
    let error = Config::load(&options(&[("DBS_CONFIG_FILE", "/nowhere.json")])).unwrap_err().to_string();
    assert!(error.starts_with("DBS_CONFIG_FILE: databases_file: cannot read /nowhere.json"), "{error}");
    let ours = [env[0], env[1], ("PGMON_QUERIES_FILE", "/nowhere.json")];
    let error = Config::load(&options(&ours)).unwrap_err().to_string();
    assert!(error.starts_with("PGMON_QUERIES_FILE: "), "{error}");
}

#[test]
fn lists_in_files_are_added_to_the_lists_of_the_main_file() {
    let loaded = with_files(
        "databases: [{name: a, host: localhost, user: u}]\ndatabases_file: more.yaml\nqueries: [{name: x, help: X., query: SELECT 1}]\nqueries_file: more_queries.yaml\n",
        &[
            (
                "more.yaml",
                "- {name: b, dsn: 'postgres://u@db2/b', password_file: ../secret}\n- {name: c, host: \"${HOST}\", user: u}\n",
            ),
            ("more_queries.yaml", "queries:\n- name: y\n  help: Y.\n  query: |\n    SELECT 1\n"),
        ],
        &[("HOST", "db3")],
    );
    let error = loaded.unwrap_err();
    assert!(error.to_string().contains("more.yaml:1:"), "a password file beside it is looked for: {error}");
    let loaded = with_files(
        "databases: [{name: a, host: localhost, user: u}]\ndatabases_file: more.yaml\nqueries: [{name: x, help: X., query: SELECT 1}]\nqueries_file: more_queries.yaml\n",
        &[
            ("more.yaml", "- {name: b, dsn: 'postgres://u@db2/b'}\n- {name: c, host: \"${HOST}\", user: u}\n"),
            ("more_queries.yaml", "queries:\n- name: y\n  help: Y.\n  query: |\n    SELECT 1\n"),
        ],
        &[("HOST", "db3")],
    )
    .unwrap();
    let names: Vec<_> = loaded.entries.iter().map(|entry| entry.db.as_str()).collect();
    assert_eq!(names, ["a", "b", "c"]);
    assert_eq!(loaded.entries[1].connect.effective_sslmode(), SslMode::Require, "a DSN is not SitRep's");
    assert_eq!(loaded.entries[2].connect.to_string(), "u@db3:5432/u");
    assert_eq!(loaded.config.queries.len(), 2);
}

#[test]
fn every_fault_names_its_file_line_and_pointer_there() {
    let queries = "[\n{\"name\": \"x\", \"help\": \"X.\", \"query\": \"SELECT 1\", \"typ\": \"gauge\"},\n{\"name\": \"y\", \"help\": \"Y.\", \"type\": \"gague\"},\n{\"name\": \"z\", \"help\": \"Z.\", \"query\": \"SELECT 1\", \"help\": \"\"},\n{\"name\": \"1z\", \"help\": \"Z.\", \"query\": \"SELECT 1\", \"labels\": [\"db\"]}\n]";
    let databases = "{\"databases\": [\n{\"name\": \"a\", \"hots\": \"h\", \"user\": \"u\"},\n{\"name\": \"b\", \"host\": \"h\", \"user\": \"u\", \"port\": \"x\"}\n], \"datbases\": []}";
    let found = said(
        "databases: [{host: h, user: u}]\nlimits: {top: 1}\ndatabases_file: d.json\nqueries_file: q.json\n",
        &[("q.json", queries), ("d.json", databases)],
    );
    insta::assert_snapshot!(found.join("\n"));
}

#[test]
fn files_that_cannot_be_read_stop_the_start() {
    let dsn = "dsn: postgres://a@localhost/b\n";
    let with = |key: &str, text: &str| said(&format!("{dsn}{key}: f.json\n"), &[("f.json", text)]);
    assert_eq!(
        with("queries_file", "[{\"name\": \"x\" \"help\": 1}]"),
        ["f.json:1:15: invalid JSON: invalid trailing content after double-quoted scalar []"]
    );
    assert_eq!(with("queries_file", "5"), ["f.json:1:1: expected a list, or `queries` with a list []"]);
    assert_eq!(with("databases_file", "{}"), ["f.json:1:1: `databases` is missing []"]);
    assert_eq!(
        with("databases_file", "{\"databases\": {}}"),
        ["f.json:1:2: databases: expected a list [/databases]"]
    );
    let gone = said(&format!("{dsn}queries_file: gone.json\n"), &[]);
    assert_eq!(
        gone,
        [
            "pgmon.yaml:2:1: queries_file: cannot read gone.json: No such file or directory (os error 2) [/queries_file]"
        ]
    );
}

#[test]
fn schemas_of_the_files_accept_what_is_accepted() {
    for (file, text, bad) in [
        (File::Queries, SITREPS_QUERIES, json!([{"name": "x", "query": "SELECT 1", "typ": "gauge"}])),
        (File::Databases, SITREPS_DATABASES, json!({"databases": [{"hots": "x"}]})),
    ] {
        let validator = jsonschema::validator_for(&schema_of(file)).unwrap();
        assert!(validator.is_valid(&serde_json::from_str(text).unwrap()), "{file:?}");
        assert!(!validator.is_valid(&bad), "{file:?}");
    }
    assert!(jsonschema::validator_for(&schema_of(File::Main)).is_ok());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn no_file_panics(text in "(\\PC|[ \n:{}\\[\\]\",$-]){0,80}") {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("f.json");
        std::fs::write(&path, &text).unwrap();
        for key in ["queries_file", "databases_file"] {
            let main = format!("dsn: postgres://a@localhost/b\n{key}: {}\n", Path::new(&path).display());
            let _ = load_with(&main, &[]);
        }
    }
}

#[test]
fn a_fault_names_the_key_as_the_file_has_it() {
    let said = said(
        "databases_file: databases.json\nqueries_file: queries.json\n",
        &[
            (
                "databases.json",
                "[{\"name\": \"a\", \"host\": \"localhost\", \"user\": \"u\", \"pass\": \"${NOWHERE}\"}]",
            ),
            (
                "queries.json",
                "[{\"name\": \"a\", \"help\": \"A.\", \"query\": \"SELECT 1\", \"valueField\": 5}]",
            ),
        ],
    );
    assert!(said.iter().any(|fault| fault.ends_with("[/0/pass]")), "{said:#?}");
    assert!(said.iter().any(|fault| fault.ends_with("[/0/valueField]")), "{said:#?}");
}

#[test]
fn a_port_in_quotes_is_taken_as_sitrep_takes_it() {
    let file = |port: &str| {
        format!("[{{\"name\": \"a\", \"host\": \"localhost\", \"user\": \"u\", \"port\": \"{port}\"}}]")
    };
    let load =
        |port: &str| with_files("databases_file: databases.json\n", &[("databases.json", &file(port))], &[]);
    assert_eq!(load("5433").unwrap().entries[0].connect.port, 5433);
    assert!(load("many").unwrap_err().to_string().contains("whole number"));
}
