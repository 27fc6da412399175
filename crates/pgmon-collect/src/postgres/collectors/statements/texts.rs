//! The texts of the statements that are shown: each is read once.

use crate::postgres::collector::Statement;
use crate::postgres::redact::redact;
use sqlx::postgres::PgArguments;
use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// A text is cut at so many characters by the server and so many bytes here.
const LENGTH: u16 = 4096;

/// A text that the server did not have is asked for again after so many rounds.
const AGAIN_AFTER: u64 = 10;

enum Text {
    Known(Arc<str>),
    /// Asked for in this round, without an answer.
    Asked(u64),
}

/// The texts.
#[derive(Default)]
pub struct Texts {
    of: BTreeMap<i64, Text>,
    redacted: bool,
}

impl Texts {
    /// The statement that asks for what is missing of `shown`, if anything is; the rest is forgotten.
    pub fn ask(
        &mut self,
        shown: &BTreeSet<i64>,
        round: u64,
        redacted: bool,
        sql: &'static str,
    ) -> Option<Statement> {
        self.redacted = redacted;
        self.of.retain(|id, _| shown.contains(id));
        let due = |id: &i64| match self.of.get(id) {
            None => true,
            Some(Text::Known(_)) => false,
            Some(Text::Asked(when)) => round >= when + AGAIN_AFTER,
        };
        let ids: Vec<i64> = shown.iter().copied().filter(due).collect();
        if ids.is_empty() {
            return None;
        }
        for id in &ids {
            self.of.insert(*id, Text::Asked(round));
        }
        let mut args = PgArguments::default();
        sqlx::Arguments::add(&mut args, ids).ok()?;
        sqlx::Arguments::add(&mut args, i32::from(LENGTH)).ok()?;
        Some(Statement::with(sql, args))
    }

    /// Takes an answer; several entries of a statement have the same text.
    pub fn take(&mut self, queryid: i64, text: Option<&str>) {
        let Some(text) = text else { return };
        if let Some(Text::Asked(_)) = self.of.get(&queryid) {
            let text = if self.redacted { Cow::Owned(redact(text)) } else { Cow::Borrowed(text) };
            let cut = text.get(..text.floor_char_boundary(usize::from(LENGTH))).unwrap_or_default();
            self.of.insert(queryid, Text::Known(Arc::from(cut)));
        }
    }

    /// A statement's text.
    pub fn of(&self, queryid: i64) -> Option<Arc<str>> {
        match self.of.get(&queryid)? {
            Text::Known(text) => Some(text.clone()),
            Text::Asked(_) => None,
        }
    }
}
