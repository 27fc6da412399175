//! Texts of strangers, made fit to be shown.
//!
//! Services repeat what they were sent: "rejected token abc", "unknown command PASS abc". So everything that the
//! configuration sends is looked for in everything that is shown, whole and in parts: by line, by word, and by
//! runs of characters, as what is repeated is often cut.

mod known;

use known::Known;
use pgmon_config::{REDACTED, Secret, ServiceCheck};
use pgmon_secrets::{Answer, Login, LoginError, Logins};
use std::collections::VecDeque;
use std::ops::Range;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};

/// Characters that are kept of what a service says.
const KEPT: usize = 300;

/// Characters that are looked at.
const LOOKED_AT: usize = 16 * 1024;

/// Passwords that are remembered of those that files, commands and Vault gave one after the other.
const LOGINS: usize = 4;

/// Stands where a text was cut.
const CUT: &str = "...";

/// At most so many characters of a text, with a mark if there are more: half a secret is found by it.
pub(crate) fn cut(text: &str, most: usize) -> String {
    match text.char_indices().nth(most) {
        Some((end, _)) => format!("{}{CUT}", text.get(..end).unwrap_or_default()),
        None => text.to_owned(),
    }
}

/// Knows the secrets of one service.
#[derive(Debug, Default)]
pub(crate) struct Redactor {
    configured: Known,
    learned: Arc<Learned>,
}

/// Passwords that are known only when a connection is made.
#[derive(Debug, Default)]
struct Learned(Mutex<VecDeque<(Secret, Known)>>);

impl Redactor {
    /// For what the configuration sends to a service.
    pub fn of(check: &ServiceCheck) -> Self {
        let mut known = Known::default();
        match check {
            // Their passwords come from a keyring: see `listening`.
            ServiceCheck::Postgres(_) | ServiceCheck::PgBouncer(_) => {}
            ServiceCheck::Redis(check) => {
                check.password.iter().for_each(|password| known.credential(password.expose()));
            }
            ServiceCheck::Http(check) => {
                check.headers.iter().for_each(|(name, value)| known.header(name, value.expose()));
                check.body.iter().for_each(|body| known.body(body.expose()));
                if let Some((_, query)) = check.url.path_and_query().split_once('?') {
                    known.query(query);
                }
            }
            ServiceCheck::Tcp(check) => {
                let sent = check.conversation.iter().filter_map(|step| step.send.as_ref());
                sent.for_each(|text| known.words(text.expose()));
            }
        }
        Self { configured: known, learned: Arc::default() }
    }

    /// For one password.
    #[cfg(any(test, fuzzing))]
    pub fn knowing(password: &str) -> Self {
        let mut known = Known::default();
        known.credential(password);
        Self { configured: known, learned: Arc::default() }
    }

    /// The same logins; their passwords become known as they are used.
    pub fn listening(&self, logins: Arc<dyn Logins>) -> Arc<dyn Logins> {
        Arc::new(Listening { logins, learned: self.learned.clone() })
    }

    /// The text on one line, without secrets, and not too long.
    pub fn clean(&self, text: &str) -> String {
        one_line(&self.strip(text))
    }

    /// A part on one line of a text that may go on. Secrets are looked for in the whole: there may be half of one in the
    /// part.
    pub fn part(&self, text: &str, part: Range<usize>) -> String {
        one_line(&shown(text, &self.covered(&format!("{text}{CUT}")), part))
    }

    /// The text as it is, but for secrets.
    pub fn strip(&self, text: &str) -> String {
        let looked_at = cut(text, LOOKED_AT);
        shown(&looked_at, &self.covered(&looked_at), 0..looked_at.len())
    }

    /// Of each byte, whether it is a secret's.
    fn covered(&self, text: &str) -> Vec<bool> {
        let mut covered = vec![false; text.len()];
        self.configured.cover(text, &mut covered);
        for (_, known) in self.learned.0.lock().unwrap_or_else(PoisonError::into_inner).iter() {
            known.cover(text, &mut covered);
        }
        covered
    }
}

/// A part of a text with something else in the place of what is covered.
fn shown(text: &str, covered: &[bool], part: Range<usize>) -> String {
    let mut out = String::new();
    let mut hidden = false;
    for (at, c) in text.char_indices().filter(|(at, _)| part.contains(at)) {
        let bytes = covered.get(at..at + c.len_utf8()).unwrap_or_default();
        let hide = bytes.contains(&true);
        if !hide {
            out.push(c);
        } else if !hidden {
            out.push_str(REDACTED);
        }
        hidden = hide;
    }
    out
}

fn one_line(text: &str) -> String {
    let mut line: String =
        text.chars().take(KEPT).map(|c| if c.is_control() || c == '\u{fffd}' { ' ' } else { c }).collect();
    if text.chars().nth(KEPT).is_some() {
        line.push_str(CUT);
    }
    line.trim().to_owned()
}

impl Learned {
    fn note(&self, login: &Login) {
        let Some(password) = &login.password else { return };
        let mut learned = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if learned.iter().any(|(other, _)| other == password) {
            return;
        }
        learned.truncate(LOGINS - 1);
        let mut known = Known::default();
        known.credential(password.expose());
        learned.push_front((password.clone(), known));
    }
}

/// Logins whose passwords become known to a redactor before anybody uses them.
#[derive(Debug)]
struct Listening {
    logins: Arc<dyn Logins>,
    learned: Arc<Learned>,
}

impl Logins for Listening {
    fn login(&self) -> Answer<'_, Login> {
        Box::pin(async move {
            let login = self.logins.login().await?;
            self.learned.note(&login);
            Ok::<_, LoginError>(login)
        })
    }

    fn refused<'a>(&'a self, login: &'a Login) -> Answer<'a, Option<Login>> {
        Box::pin(async move {
            let other = self.logins.refused(login).await?;
            other.iter().for_each(|login| self.learned.note(login));
            Ok::<_, LoginError>(other)
        })
    }

    fn is_outdated(&self, login: &Login) -> bool {
        self.logins.is_outdated(login)
    }

    fn outdated<'a>(&'a self, login: &'a Login) -> Pin<Box<dyn Future<Output = ()> + Send + 'a>> {
        self.logins.outdated(login)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::services::testing::specs;

    fn of(service: &str) -> Redactor {
        Redactor::of(&specs(&format!("{{x: {service}}}")).remove(0).check)
    }

    fn redis(password: &str) -> Redactor {
        of(&format!("{{type: redis, host: localhost, password: {password:?}}}"))
    }

    #[test]
    fn what_a_service_says_is_shown_without_secrets_on_one_line() {
        let redactor = redis("hunter2");
        assert_eq!(redactor.clean("-ERR\r\n'hunter2'\u{1b}[31m ab"), "-ERR  '[redacted]' [31m ab");
        let long = format!("{}hunter2", "x".repeat(KEPT - 3));
        assert!(!redactor.clean(&long).contains("hun"), "not even its beginning");
        assert!(redactor.clean(&"y".repeat(10_000)).len() < KEPT + 10);
    }

    #[test]
    fn what_was_cut_by_us_or_by_the_service_is_no_secret_less() {
        let redactor = redis("correct-horse-battery");
        assert_eq!(
            redactor.clean("rejected: 'correct-horse'"),
            "rejected: '[redacted]'",
            "cut by the service"
        );
        assert_eq!(redactor.clean("rejected: corre..."), "rejected: [redacted]...", "cut by us");
        assert_eq!(redactor.clean("a...ttery"), "a...[redacted]", "in the middle of a long message");
        assert_eq!(redactor.clean("the correct one"), "the correct one", "a short run is an accident");
        let heard = "-ERR correct-horse-battery";
        assert_eq!(redactor.part(heard, 0..8), "-ERR [redacted]", "half of it in the part that is shown");
        assert_eq!(redactor.part("-ERR corr", 0..9), "-ERR [redacted]", "the rest is still on its way");
    }

    #[test]
    fn it_is_found_as_others_write_it() {
        let redactor = redis("a\"b\\c d%");
        for said in [r#"a"b\c d%"#, r#"a\"b\\c d%"#, "a%22b%5Cc%20d%25"] {
            assert_eq!(redactor.clean(&format!("<{said}>")), "<[redacted]>");
        }
    }

    #[test]
    fn of_what_is_sent_words_are_secrets_and_those_of_the_protocol_are_none() {
        let redactor = of(
            "{type: tcp, host: h, port: 1, query_response: [{send: \"PASS pop-secret\\r\\nAUTH PLAIN AGpvZQBzZWNyZXQ=\\r\\n\"}]}",
        );
        assert_eq!(redactor.clean("PASS? pop-secret"), "PASS? [redacted]");
        assert_eq!(
            redactor.clean("no AUTH PLAIN for secret"),
            "no AUTH PLAIN for [redacted]",
            "as base64 has it"
        );
        let redactor = of(
            "{type: http, url: 'http://h/x?key=in%20query', headers: {Authorization: 'Basic am9lOmJhc2ljUFc3Nw==', \
             Accept: application/json, Cookie: 'sid=session-9; lang=de'}, method: POST, body: '{\"login\": {\"pass\": \"in the body\", \"pin\": 987654}}'}",
        );
        for secret in [
            "basicPW77",
            "am9lOmJhc2ljUFc3Nw",
            "session-9",
            "in the body",
            "987654",
            "in%20query",
            "in query",
        ] {
            assert_eq!(redactor.clean(&format!("bad: {secret}")), "bad: [redacted]", "{secret}");
        }
        assert_eq!(redactor.clean("Basic application/json pass"), "Basic application/json pass");
    }
}
