//! `pgmon hash-key` and `pgmon hash-password`

use crate::cli::Algorithm;
use crate::exit::Code;
use anyhow::{Context as _, bail};
use pgmon_config::{Secret, key_digest};
use pgmon_http::hashing;
use rustix::termios::{LocalModes, OptionalActions, isatty, tcgetattr, tcsetattr};
use std::io::{BufRead as _, Read as _};

/// The longest key or password (bytes).
const LONGEST: u64 = 4096;

/// `pgmon hash-key`
pub fn key(generate: bool) -> anyhow::Result<Code> {
    if generate {
        let key = hashing::new_key()?;
        println!("key: {key}\nsha256: {}", key_digest(&key));
    } else {
        println!("{}", key_digest(read("Key: ")?.expose()));
    }
    Ok(Code::Ok)
}

/// `pgmon hash-password`
pub fn password(algorithm: Algorithm) -> anyhow::Result<Code> {
    let password = read("Password: ")?;
    let hash = match algorithm {
        Algorithm::Bcrypt => hashing::bcrypt(password.expose()),
        Algorithm::Argon2id => hashing::argon2id(password.expose()),
    };
    println!("{}", hash?);
    Ok(Code::Ok)
}

/// A line of standard input; what is typed at a terminal is not shown.
fn read(prompt: &str) -> anyhow::Result<Secret> {
    let stdin = std::io::stdin();
    let before = if isatty(&stdin) {
        eprint!("{prompt}");
        let before = tcgetattr(&stdin).context("the terminal")?;
        let mut silent = before.clone();
        silent.local_modes.remove(LocalModes::ECHO);
        tcsetattr(&stdin, OptionalActions::Flush, &silent).context("the terminal")?;
        Some(before)
    } else {
        None
    };
    let mut line = String::new();
    let read = stdin.lock().take(LONGEST).read_line(&mut line);
    if let Some(before) = before {
        eprintln!();
        tcsetattr(&stdin, OptionalActions::Flush, &before).context("the terminal")?;
    }
    read.context("standard input")?;
    let text = line.trim_end_matches(['\r', '\n']);
    if text.is_empty() {
        bail!("nothing was given: write it to standard input, as in: pgmon hash-password < file");
    }
    Ok(Secret::new(text))
}
