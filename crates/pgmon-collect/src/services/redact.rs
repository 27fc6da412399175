//! Texts of strangers, made fit to be shown.

use pgmon_config::{REDACTED, Secret};

/// Characters that are kept of what a service says.
const KEPT: usize = 300;

/// A secret that is shorter would make a riddle of every text.
const SHORTEST: usize = 4;

/// Knows the secrets of one service.
#[derive(Debug, Default)]
pub(crate) struct Redactor(Vec<Secret>);

impl Redactor {
    /// For a service with these secrets.
    pub fn new(secrets: impl IntoIterator<Item = Secret>) -> Self {
        Self(secrets.into_iter().filter(|secret| secret.expose().len() >= SHORTEST).collect())
    }

    /// The text on one line, without secrets, and not too long.
    pub fn clean(&self, text: &str) -> String {
        // Cut generously before replacing, so that no part of a secret stays at the end.
        let longest = self.0.iter().map(|secret| secret.expose().len()).max().unwrap_or(0);
        let mut text: String = text.chars().take(KEPT + longest).collect();
        for secret in &self.0 {
            text = text.replace(secret.expose(), REDACTED);
        }
        let cut = text.chars().count() > KEPT;
        let mut line: String = text
            .chars()
            .take(KEPT)
            .map(|c| if c.is_control() || c == '\u{fffd}' { ' ' } else { c })
            .collect();
        if cut {
            line.push_str("...");
        }
        line.trim().to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_service_says_is_shown_without_secrets_on_one_line() {
        let redactor = Redactor::new(["hunter2".into(), "ab".into()]);
        assert_eq!(redactor.clean("-ERR\r\n'hunter2'\u{1b}[31m ab"), "-ERR  '[redacted]' [31m ab");
        let long = format!("{}hunter2", "x".repeat(KEPT - 3));
        assert!(!redactor.clean(&long).contains("hun"), "not even its beginning");
        assert!(redactor.clean(&"y".repeat(10_000)).len() < KEPT + 10);
    }
}
