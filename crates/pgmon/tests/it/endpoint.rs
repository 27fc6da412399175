//! The listener: who gets in, and what it withstands. The database that is watched is not there.

mod auth;
mod browser;
mod limits;
mod tls;

use crate::agent::{Agent, Answer, pgmon};
use std::io::Write as _;
use std::process::Stdio;
use std::time::{Duration, Instant};

/// Nobody listens there.
const DSN: &str = "postgres://pgmon:dsn-canary@127.0.0.1:1/shop";

/// An agent with this environment.
fn agent(env: &[(&str, &str)]) -> Agent {
    Agent::start(&[&[("PGMON_DSN", DSN)], env].concat())
}

fn bearer(key: &str) -> String {
    format!("Authorization: Bearer {key}\r\n")
}

fn basic(user: &str, password: &str) -> String {
    // The encoding by hand: a test that uses the same library would not see its mistakes.
    const ALPHABET: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::new();
    for chunk in format!("{user}:{password}").as_bytes().chunks(3) {
        let n = chunk.iter().fold(0u32, |n, b| n << 8 | u32::from(*b)) << (8 * (3 - chunk.len()));
        for i in 0..4 {
            let index = usize::try_from(n >> (18 - 6 * i) & 63).unwrap();
            text.push(if i > chunk.len() { '=' } else { char::from(ALPHABET[index]) });
        }
    }
    format!("Authorization: Basic {text}\r\n")
}

/// The answer without what differs from moment to moment.
fn shape(answer: &Answer) -> (u16, String, Vec<u8>) {
    let head = answer.head.lines().filter(|line| !line.starts_with("date:")).collect::<Vec<_>>().join("\n");
    (answer.status, head, answer.body.clone())
}

/// The output of a command that reads a text.
fn output(args: &[&str], input: &str) -> String {
    let mut child = pgmon()
        .args(args)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
    let out = child.wait_with_output().unwrap();
    assert!(out.status.success(), "{args:?}: {}", String::from_utf8_lossy(&out.stderr));
    String::from_utf8(out.stdout).unwrap().trim().to_owned()
}

fn eventually(what: &str, within: Duration, mut done: impl FnMut() -> bool) {
    let deadline = Instant::now() + within;
    while !done() {
        assert!(Instant::now() < deadline, "not within {within:?}: {what}");
        std::thread::sleep(Duration::from_millis(50));
    }
}
