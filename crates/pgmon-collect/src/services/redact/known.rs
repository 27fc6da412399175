//! What is looked for in a text, and where it is in it.

use super::CUT;
use base64::Engine as _;
use percent_encoding::{NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};
use pgmon_config::Secret;
use serde_json::Value;
use std::collections::HashSet;
use std::hash::{BuildHasher as _, RandomState};

/// A secret that is shorter would make a riddle of every text.
const SHORTEST: usize = 4;

/// Bytes in a row that a text and a secret have in common by no accident.
const RUN: usize = 8;

/// What is left of a secret at a cut, at least (bytes): shorter could be anything.
const LEFT: usize = 3;

/// What stands between words.
const BETWEEN: &[char] =
    &[':', ';', ',', '=', '&', '"', '\'', '<', '>', '(', ')', '[', ']', '{', '}', '?', '|'];

/// Headers that say what is understood, not who asks.
const PLAIN_HEADERS: &[&str] =
    &["accept", "accept-charset", "accept-encoding", "accept-language", "content-type"];

/// Words of protocols: nobody's secret, and in every answer.
const WORDS: &[&str] = &[
    "AUTH",
    "AUTHORIZATION",
    "BASIC",
    "BEARER",
    "CAPA",
    "CAPABILITY",
    "CLOSE",
    "CONNECTION",
    "DATA",
    "DIGEST",
    "EHLO",
    "EXIT",
    "FROM",
    "GET",
    "HEAD",
    "HELLO",
    "HELO",
    "HOST",
    "HTTP/1.0",
    "HTTP/1.1",
    "INFO",
    "LHLO",
    "LIST",
    "LOGIN",
    "LOGOUT",
    "MAIL",
    "NEGOTIATE",
    "NOOP",
    "OPTIONS",
    "PASS",
    "PING",
    "PLAIN",
    "POST",
    "QUIT",
    "RCPT",
    "RSET",
    "STARTTLS",
    "STAT",
    "STATS",
    "TOKEN",
    "USER",
    "VERSION",
];

/// Pieces of secrets.
#[derive(Debug, Default)]
pub(super) struct Known {
    /// Found as they are.
    pieces: Vec<Secret>,
    /// Of each run of bytes in them its hash, which says nothing about it.
    runs: HashSet<u64>,
    /// Of each piece its hash.
    seen: HashSet<u64>,
    state: RandomState,
}

impl Known {
    /// A password or a token: a secret as a whole, as it is and as JSON and URLs have it.
    pub fn credential(&mut self, secret: &str) {
        self.written(secret, true);
    }

    /// A header of a request.
    pub fn header(&mut self, name: &str, value: &str) {
        if !PLAIN_HEADERS.contains(&name) {
            self.words(value);
        }
    }

    /// A body: of JSON its values, of others every word.
    pub fn body(&mut self, body: &str) {
        match serde_json::from_str::<Value>(body) {
            Ok(value) => self.values(&value),
            Err(_) => self.words(body),
        }
    }

    fn values(&mut self, value: &Value) {
        match value {
            Value::Null | Value::Bool(_) => {}
            Value::Number(number) => self.add(&number.to_string(), false),
            Value::String(text) => {
                self.written(text, false);
                self.words(text);
            }
            Value::Array(values) => values.iter().for_each(|value| self.values(value)),
            Value::Object(members) => members.values().for_each(|value| self.values(value)),
        }
    }

    /// The values of a query, or of a form.
    pub fn query(&mut self, query: &str) {
        for pair in query.split('&') {
            let value = pair.split_once('=').map_or(pair, |(_, value)| value);
            self.add(value, true);
            if let Ok(decoded) = percent_decode_str(value).decode_utf8() {
                self.written(&decoded, true);
            }
        }
    }

    /// Each line, each word and what is in a word, but for words of protocols.
    pub fn words(&mut self, text: &str) {
        for line in text.lines().map(str::trim) {
            let mut is_plain = true;
            for word in line.split_whitespace() {
                let bare = word.trim_matches(BETWEEN);
                if is_of_a_protocol(bare) {
                    continue;
                }
                is_plain = false;
                self.word(word);
                for part in word.split(BETWEEN).filter(|part| !is_of_a_protocol(part)) {
                    self.word(part);
                }
            }
            if !is_plain {
                // Also what is too short as a word is covered where the line is repeated.
                self.written(line, false);
            }
        }
    }

    fn word(&mut self, word: &str) {
        self.written(word, true);
        if let Ok(decoded) = percent_decode_str(word).decode_utf8()
            && decoded != word
        {
            self.written(&decoded, true);
        }
        let bare = word.trim_end_matches('=');
        self.add(bare, true);
        // `user:password`, as HTTP has it, and `\0user\0password`, as mail has it.
        let decoded = base64::engine::general_purpose::STANDARD_NO_PAD.decode(bare);
        if let Some(pair) = decoded.ok().and_then(|bytes| String::from_utf8(bytes).ok()) {
            self.written(&pair, true);
            if let Some((_, password)) = pair.split_once(':').or_else(|| pair.rsplit_once('\0')) {
                self.written(password, true);
            }
        }
    }

    /// As it is, and as JSON and URLs have it.
    fn written(&mut self, piece: &str, with_runs: bool) {
        self.add(piece, with_runs);
        let json = Value::from(piece).to_string();
        if let Some(inside) = json.strip_prefix('"').and_then(|json| json.strip_suffix('"'))
            && inside != piece
        {
            self.add(inside, with_runs);
        }
        let encoded = utf8_percent_encode(piece, NON_ALPHANUMERIC).to_string();
        if encoded != piece {
            self.add(&encoded, with_runs);
        }
    }

    fn add(&mut self, piece: &str, with_runs: bool) {
        if piece.len() < SHORTEST || !self.seen.insert(self.state.hash_one(piece)) {
            return;
        }
        self.pieces.push(Secret::new(piece));
        if with_runs {
            let Self { runs, state, .. } = self;
            runs.extend(piece.as_bytes().windows(RUN).map(|run| state.hash_one(run)));
        }
    }

    /// Marks the bytes of a text that are a secret's.
    pub fn cover(&self, text: &str, covered: &mut [bool]) {
        let mut mark = |from: usize, length: usize| {
            covered.iter_mut().skip(from).take(length).for_each(|byte| *byte = true);
        };
        for piece in &self.pieces {
            text.match_indices(piece.expose()).for_each(|(at, hit)| mark(at, hit.len()));
        }
        if !self.runs.is_empty() {
            for (at, run) in text.as_bytes().windows(RUN).enumerate() {
                if self.runs.contains(&self.state.hash_one(run)) {
                    mark(at, RUN);
                }
            }
        }
        for (at, _) in text.match_indices(CUT) {
            let (before, after) = (text.get(..at), text.get(at + CUT.len()..));
            for piece in self.pieces.iter().map(Secret::expose) {
                let lengths = (LEFT..RUN.min(piece.len())).rev();
                let beginning = |n: &usize| {
                    piece.get(..*n).is_some_and(|part| before.is_some_and(|text| text.ends_with(part)))
                };
                if let Some(n) = lengths.clone().find(beginning) {
                    mark(at - n, n);
                }
                let end = |n: &usize| {
                    let part = piece.get(piece.len() - *n..);
                    part.is_some_and(|part| after.is_some_and(|text| text.starts_with(part)))
                };
                if let Some(n) = lengths.clone().find(end) {
                    mark(at + CUT.len(), n);
                }
            }
        }
    }
}

fn is_of_a_protocol(word: &str) -> bool {
    WORDS.iter().any(|known| known.eq_ignore_ascii_case(word))
}
