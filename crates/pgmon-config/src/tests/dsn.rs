//! Connection strings.

use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use proptest::prelude::*;

use crate::{ConnectParts, Dsn, DsnError, Host, Secret, SslMode};

fn parse(text: &str) -> Result<ConnectParts, DsnError> {
    text.parse::<Dsn>().map(|dsn| dsn.parts().clone())
}

fn shown(text: &str) -> String {
    text.parse::<Dsn>().unwrap().to_string()
}

#[test]
fn urls() {
    let parts =
        parse("postgresql://us%40er:p%2Fw:d@db1:6000/sh%20op?sslmode=verify-ca&sslrootcert=/ca").unwrap();
    assert_eq!(parts.user.as_deref(), Some("us@er"));
    assert_eq!(parts.password, Some(Secret::new("p/w:d")));
    assert_eq!(parts.host, Some(Host::Name("db1".into())));
    assert_eq!(parts.port, Some(6000));
    assert_eq!(parts.database.as_deref(), Some("sh op"));
    assert_eq!(parts.sslmode, Some(SslMode::VerifyCa));
    assert_eq!(parts.sslrootcert, Some("/ca".into()));

    assert_eq!(shown("postgres://"), "");
    assert_eq!(shown("postgres://db1"), "db1");
    assert_eq!(shown("postgres:///shop"), "/shop");
    assert_eq!(shown("postgres://u@[::1]:5433/x"), "u@[::1]:5433/x");
    assert_eq!(shown("postgres://u@[::1]"), "u@[::1]");
    assert_eq!(shown("postgres:///shop?host=/run/postgresql&user=u"), "u@/run/postgresql/shop");
    assert_eq!(shown("postgres://%2Frun%2Fpostgresql/shop"), "/run/postgresql/shop");
    assert_eq!(shown(" postgres://u:#1+&@h/x "), "u@h/x");
}

#[test]
fn keywords() {
    let parts = parse(r"host = db1 dbname='my shop' user=o\'brien password='a \'b\\' port=6000").unwrap();
    assert_eq!(parts.database.as_deref(), Some("my shop"));
    assert_eq!(parts.user.as_deref(), Some("o'brien"));
    assert_eq!(parts.password, Some(Secret::new(r"a 'b\")));
    assert_eq!(parts.port, Some(6000));
    assert_eq!(shown("host=::1 user=u"), "u@[::1]");
    assert_eq!(shown("password=postgres://x host=db1"), "db1");
}

#[test]
fn what_other_programs_need_is_ignored_or_refused_with_a_reason() {
    let parts = parse("postgres://h/d?application_name=x&connect_timeout=3").unwrap();
    assert_eq!(parts.ignored, ["application_name", "connect_timeout"]);
    let error = parse("postgres://h/d?options=-c%20geqo%3Doff").unwrap_err().to_string();
    assert!(error.starts_with("options is not supported: PgBouncer refuses startup options"), "{error}");
    // What could be a part of a password is not repeated: its place is told.
    for text in
        ["postgres://h/d?sslmode=require&connect_timeout=3&sslrotcert=/x", "host=h  port=1 sslrotcert='/x y'"]
    {
        let error = parse(text).unwrap_err().to_string();
        assert_eq!(error, "parameter 3 is unknown; did you mean sslrootcert?", "{text}");
    }
}

#[test]
fn bad_ones_are_refused() {
    use DsnError::*;
    let unknown = |nearest| Unknown { place: 1, nearest };
    for (text, error) in [
        ("", Empty),
        ("mysql://h/d", Scheme),
        ("postgres//h/d", Keywords),
        ("just words", Keywords),
        ("host", Keywords),
        ("host='db1", Keywords),
        ("host='db1'x", Keywords),
        ("host=db1\\", Keywords),
        ("postgres://h:99999/d", Port),
        ("postgres://h:0/d", Port),
        ("postgres://h:+1/d", Port),
        ("postgres://h:x/d", Port),
        ("postgres://a:b:c/d", Encoding),
        ("postgres://u:p@ss@h/d", Encoding),
        ("postgres://u:p/ss@h/d", Encoding),
        ("postgres://u:1/ss@h/d", Encoding),
        ("postgres://u:1?ss@h/d", Encoding),
        ("postgres://u@h/d/e", Encoding),
        ("postgres://u:%zz@h/d", Percent),
        ("postgres://u:%2@h/d", Percent),
        ("postgres://u:%ff@h/d", Percent),
        ("postgres://[::g]/d", Host),
        ("postgres://[::1/d", Host),
        ("postgres://[::1]x/d", Port),
        ("postgres://a b/d", Host),
        ("postgres://h1,h2/d", SeveralHosts),
        ("host=h1,h2", SeveralHosts),
        ("postgres://h/d?host=x", Twice("host")),
        ("user=a user=b", Twice("user")),
        ("postgres://h/a%00b", BadValue("dbname")),
        ("user=''", BadValue("user")),
        ("postgres://h/d?ssl-mode=require", unknown(Some("sslmode"))),
        ("postgres://h/d?database=x", unknown(None)),
        ("postgres://h/d?x", unknown(None)),
        ("postgres://h/d?sslmode=on", SslMode),
    ] {
        assert_eq!(parse(text), Err(error), "{text}");
    }
}

/// Texts without NUL, which nothing in a connection string may have.
fn word() -> impl Strategy<Value = String> {
    "[^\0]{1,12}"
}

fn encode(text: &str) -> String {
    utf8_percent_encode(text, NON_ALPHANUMERIC).to_string()
}

proptest! {
    #[test]
    fn urls_read_back(
        user in word(), password in word(), host in "[a-z][a-z0-9.-]{0,8}", port in 1..=u16::MAX, database in word(),
        mode in prop::sample::select(SslMode::ALL.to_vec()),
    ) {
        let [u, p, d] = [&user, &password, &database].map(|text| encode(text));
        let parts = parse(&format!("postgres://{u}:{p}@{host}:{port}/{d}?sslmode={mode}")).unwrap();
        prop_assert_eq!(parts, ConnectParts {
            host: Some(Host::Name(host)), port: Some(port), user: Some(user), password: Some(Secret::new(password)),
            database: Some(database), sslmode: Some(mode), ..ConnectParts::default()
        });
    }

    #[test]
    fn keywords_read_back(user in word(), password in word(), database in word()) {
        let quote = |text: &str| format!("'{}'", text.replace('\\', r"\\").replace('\'', r"\'"));
        let text = format!("user={} password = {} dbname={}", quote(&user), quote(&password), quote(&database));
        let parts = parse(&text).unwrap();
        prop_assert_eq!(parts, ConnectParts {
            user: Some(user), password: Some(Secret::new(password)), database: Some(database),
            ..ConnectParts::default()
        });
    }

    #[test]
    fn no_text_panics(text in ".*", url in "postgres://[a:@/?&=%\\[\\]0-9,]*", keys in "[a-z='\\\\ ]*") {
        for text in [text, url, keys] {
            let _ = parse(&text);
        }
    }

    #[test]
    fn what_is_shown_never_has_the_password(password in "[A-Z]{8}[a-z/@:?#&=%]{0,4}[A-Z]{8}") {
        let head = &password[..8];
        for text in [
            format!("postgres://u:{password}@h:1/d"),
            format!("postgres://u:{}@h/d", encode(&password)),
            format!("user=u password={password}"),
            format!("user=u pasword={password}"),
            format!("postgres://h/d?password={password}"),
            format!("postgres://u:{password}@h/d?sslmode={password}&x={password}"),
        ] {
            let said = match text.parse::<Dsn>() {
                Ok(dsn) => format!("{dsn} {dsn:?} {:?} {}", dsn.parts(), serde_json::to_string(&dsn).unwrap()),
                Err(error) => format!("{error} {error:?}"),
            };
            prop_assert!(!said.contains(head) && !said.contains(&password[password.len() - 8..]), "{}", said);
        }
    }
}
