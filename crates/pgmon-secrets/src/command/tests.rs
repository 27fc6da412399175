use super::*;
use std::path::Path;
use std::sync::Arc;

/// The login of an entry that runs `script` in a shell.
fn command(script: &str, env: &[(&str, &str)], more: &str) -> Command {
    let config: Secrets = serde_json::from_str(more).unwrap();
    let env = env.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
    let argv = Argv::new(["/bin/sh", "-c", script].map(str::to_owned));
    let connect = ConnectSpec {
        host: "::1".parse().unwrap(),
        port: 6000,
        user: "pgmon".to_owned(),
        password: PasswordSource::Command(argv.clone()),
        database: "shop".to_owned(),
        sslmode: None,
        sslrootcert: None,
        sslcert: None,
        sslkey: None,
    };
    Command::new(Arc::new(Setting::new(&config, &env)), argv, &connect)
}

fn text(login: &Login) -> &str {
    login.password.as_ref().unwrap().expose()
}

/// Counts its runs in a file and prints `p` and their number.
fn counting(file: &Path) -> String {
    format!("echo x >> {0}; echo p$(wc -l < {0})", file.display())
}

#[tokio::test]
async fn it_is_run_once_and_again_when_the_server_refuses() {
    let directory = tempfile::tempdir().unwrap();
    let c = command(&counting(&directory.path().join("runs")), &[], "{}");
    let first = c.login().await.unwrap();
    assert_eq!((text(&first), &*first.user), ("p1", "pgmon"));
    let kept = c.login().await.unwrap();
    assert_eq!(text(&kept), "p1", "what it printed is kept");
    let second = c.refused(&kept).await.unwrap().unwrap();
    assert_eq!(text(&second), "p2");
    // Another connection of the same entry was refused with the first one, too: no third run.
    assert_eq!(c.refused(&first).await.unwrap(), Some(second.clone()));
    let kept = c.login().await.unwrap();
    assert_eq!(text(&kept), "p2");
    // What is refused when it was printed just now is not asked for again, but at the next attempt.
    assert_eq!(text(&c.refused(&kept).await.unwrap().unwrap()), "p3");
    assert_eq!(c.refused(&second).await.unwrap().as_ref().map(text), Some("p3"));
    let c = command(&counting(&directory.path().join("others")), &[], "{}");
    assert_eq!(c.refused(&c.login().await.unwrap()).await, Ok(None));
    assert_eq!(text(&c.login().await.unwrap()), "p2");
    // A command that says the same again has nothing new to try.
    let c = command("echo same", &[], "{}");
    c.login().await.unwrap();
    assert_eq!(c.refused(&c.login().await.unwrap()).await, Ok(None));
}

#[tokio::test]
async fn it_sees_little_of_the_environment() {
    let env = [
        ("PATH", "/usr/bin:/bin"),
        ("PGMON_DSN", "hunter2"),
        ("AWS_REGION", "eu"),
        ("TOKEN_HOME", "t"),
        ("X", "x"),
    ];
    let script = "echo $PGHOST,$PGPORT,$PGUSER,$PGDATABASE,$AWS_REGION,$TOKEN_HOME,$PGMON_DSN,$X";
    let c = command(script, &env, r#"{"command_env": ["TOKEN_HOME"]}"#);
    assert_eq!(text(&c.login().await.unwrap()), "::1,6000,pgmon,shop,eu,t,,");
}

#[tokio::test]
async fn what_goes_wrong_is_said_without_what_was_printed() {
    let fails = async |script: &str| {
        let c = command(script, &[("PATH", "/usr/bin:/bin")], r#"{"command_timeout_ms": 300}"#);
        let error = c.login().await.unwrap_err().to_string();
        assert!(!error.contains("hunter2"), "{error}");
        assert!(!format!("{c:?}").contains("hunter2"));
        error
    };
    assert!(fails("echo hunter2; echo hunter2 >&2; exit 3").await.contains("exit status: 3"));
    assert!(fails("true").await.contains("printed nothing"));
    assert!(fails("echo hunter2; echo hunter2").await.contains("more than one line"));
    assert!(fails("echo hunter2; sleep 60").await.contains("did not end within"));
    assert!(fails("yes hunter2").await.contains("printed more than"));
    assert!(fails("printf '\\377'").await.contains("UTF-8"));
    let argv = Argv::new(["/nonexistent/tool".to_owned()]);
    let mut c = command("", &[], "{}");
    c.argv = argv;
    assert!(c.login().await.unwrap_err().to_string().contains("cannot be run: No such file"));
}

#[tokio::test]
async fn what_it_started_ends_with_it() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("pid");
    // The child keeps the pipe open, so that waiting for its end would take for ever.
    let script = format!("sleep 600 & echo $! > {}; echo pw", file.display());
    let c = command(&script, &[("PATH", "/usr/bin:/bin")], r#"{"command_timeout_ms": 500}"#);
    assert_eq!(text(&c.login().await.unwrap()), "pw");
    let pid = std::fs::read_to_string(&file).unwrap();
    let stat = format!("/proc/{}/stat", pid.trim());
    for _ in 0..100 {
        // It is gone, or dead and not collected yet.
        let state = std::fs::read_to_string(&stat).ok();
        if state.is_none_or(|s| s.rsplit_once(") ").is_some_and(|(_, rest)| rest.starts_with('Z'))) {
            return;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    panic!("still running: {pid}");
}
