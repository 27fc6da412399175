//! What people are told about bad files. The snapshots stand below each text.

use super::load;

/// One snapshot of a bad file and what is said about it.
macro_rules! bad {
    ($($name:ident: $text:expr,)*) => {$(
        #[test]
        fn $name() {
            let text = $text;
            let said = load(text).map(|_| ()).unwrap_err();
            insta::with_settings!({ description => text, omit_expression => true }, {
                insta::assert_snapshot!(said);
            });
        }
    )*};
}

bad! {
    unknown_keys: "dsn: postgres://a@localhost/b\nsample_intervals:\n  hot_pth: 15s\nlimit: {}\nhttp: {proxy: {}}\nquux: 1\n",
    misplaced_keys: "dsn: postgres://a@localhost/b\nhot_path: 15s\npassword: x\n",
    wrong_types: "dsn: 5\ndatabases: {name: x}\nlimits: [1]\nsecurity: {redact_sql_text: yes}\ncluster: 12\nalerts: {connections_warn: high}\n",
    numbers_out_of_range: "dsn: postgres://a@localhost/b\nalerts: {connections_warn: 80, long_txn_warn_s: -1}\nlimits: {top_queries: 0, top_indexes: 1.5, connections_per_server: 99999999999999999999999}\n",
    durations: "dsn: postgres://a@localhost/b\nsample_intervals: {hot_path: 15, workload: '15', storage: 10 fortnights, hourly: 0s}\n",
    intervals_too_short: "dsn: postgres://a@localhost/b\nsample_intervals: {hot_path: 500ms}\n",
    sizes: "dsn: postgres://a@localhost/b\nhistory: {max_bytes: 8 lots}\nbloat: {min_relation_bytes: -5, max_relation_bytes: 1.5}\n",
    words: "dsn: postgres://a@localhost/b\nlogging: {format: jsn, level: 3}\nbloat: {sampling_mode: guess}\ndatabases: [{host: h, sslmode: verify_full}]\n",
    addresses: "dsn: postgres://a@localhost/b\nhttp: {bind: '8181'}\n",
    duplicate_keys: "dsn: postgres://a@localhost/b\ncluster: x\ncluster: y\nlimits:\n  top_queries: 1\n  top_queries: 2\n",
    syntax: "dsn: postgres://a@localhost/b\nlimits: {top_queries: 5\ncluster: x\n",
    tabs: "dsn: postgres://a@localhost/b\nlimits:\n\ttop_queries: 5\n",
    several_documents: "dsn: postgres://a@localhost/b\n---\ncluster: x\n",
    a_list: "- dsn: postgres://a@localhost/b\n",
    a_word: "hello\n",
    nothing_to_watch: "cluster: x\n",
    missing_variables: "dsn: postgres://a:${PASSWORD}@localhost/b\ncluster: ${CLUSTER\nlimits: {top_queries: \"${TOP QUERIES}\"}\n",
    missing_files: "dsn_file: /nowhere/dsn\ndatabases:\n- {host: h, user: u, password_file: /}\n- {host: h, user: u, password: x, password_file: /dev/null}\n",
    bad_dsns: "dsn: postgres://a:b@localhost:x/b\ndatabases:\n- dsn: postgres://h1,h2/b\n- dsn: postgres://a@h/b?options=x\n- dsn: postgres://a@h/b?sslmod=require\n- {}\n",
    bad_parts: "databases:\n- {dsn: 'postgres://a@h/b', user: c}\n- {host: 'a b', user: u}\n- {host: h}\n- {host: h, user: u, sslcert: x}\n- {host: h, user: u, port: 70000, name: ''}\n",
    the_same_labels_twice: "dsn: postgres://a@localhost/shop\ndatabases:\n- {name: x, host: h, user: u}\n- {dsn: 'postgres://a@h2/shop'}\n- {name: x, host: h2, user: u}\n",
    aliases_of_aliases: "a: &a [x, x, x, x, x, x, x, x, x, x]\nb: &b [*a, *a, *a, *a, *a, *a, *a, *a, *a, *a]\nc: &c [*b, *b, *b, *b, *b, *b, *b, *b, *b, *b]\nd: &d [*c, *c, *c, *c, *c, *c, *c, *c, *c, *c]\ne: &e [*d, *d, *d, *d, *d, *d, *d, *d, *d, *d]\nf: &f [*e, *e, *e, *e, *e, *e, *e, *e, *e, *e]\n",
    both_names_of_a_key: "dsn: postgres://a@localhost/b\nbloat: {min_reclaim_bytes: 1, min_relation_bytes: 2}\n",
    tags_and_keys_that_are_no_words: "dsn: !vault x\n",
}

#[test]
fn deep_nesting_is_refused() {
    for text in [
        "[".repeat(100_000),
        "{a: ".repeat(100_000),
        "- ".repeat(100_000),
        format!("{}{}", "[".repeat(200), "]".repeat(200)),
    ] {
        assert!(load(&text).is_err());
    }
}
