//! The history as bytes, group by group, and back.
//!
//! Each piece stands for itself: it begins with the texts that it uses. Times are Unix times.

use super::database::Key;
use super::group::Group;
use super::symbols::Symbol;
use super::times::{push_varint, take_varint};
use super::{History, Id, Rank};
use std::collections::HashMap;

/// How far [`History::export`] has come.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cursor {
    id: Id,
    groups: usize,
}

/// Why a piece was not taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ImportError {
    /// It was not written by [`History::export`], or it was cut.
    #[error("it is damaged")]
    Malformed,
    /// It would take more than everything may.
    #[error("it does not fit into history.max_bytes")]
    TooLarge,
}

impl History {
    /// Appends the group that follows, and returns how far it has come; `None` at the end.
    ///
    /// `offset` is what is to be added to a time to have the Unix time. A group that leaves between two calls may
    /// hide another one.
    pub fn export(&self, after: Option<Cursor>, offset: i64, out: &mut Vec<u8>) -> Option<Cursor> {
        let Cursor { id, groups } = match after {
            Some(cursor) => cursor,
            None => Cursor { id: self.databases.keys().next()?.clone(), groups: 0 },
        };
        let mut rest = self.databases.range(id.clone()..);
        let here = rest.next().filter(|(key, _)| **key == id);
        let group = here.and_then(|(_, database)| database.groups().get(groups));
        let (id, groups, kept) = match group {
            Some(kept) => (id, groups, kept),
            None => {
                let (id, database) = self
                    .databases
                    .range(id.clone()..)
                    .find(|(key, d)| **key > id && !d.groups().is_empty())?;
                (id.clone(), 0, database.groups().first()?)
            }
        };
        let mut texts = Texts::default();
        let mut body = Vec::new();
        let key = kept.key();
        put_number(&mut body, texts.place(key.collector));
        put_number(&mut body, key.datname.map_or(0, |name| texts.place(name) + 1));
        put_number(&mut body, u64::from(key.server_wide));
        put_number(&mut body, u64::from(key.rank == Rank::Object));
        kept.group.export(&mut texts, offset, &mut body);
        put(out, id.cluster.as_bytes());
        put(out, id.db.as_bytes());
        put_number(out, texts.all.len() as u64);
        texts.all.iter().for_each(|text| put(out, self.symbols.text(*text).as_bytes()));
        out.extend_from_slice(&body);
        Some(Cursor { id, groups: groups + 1 })
    }

    /// Takes what [`Self::export`] appended in one call, if the database is `wanted`. What ends after `now` is left
    /// out; a group that is there already stays as it is.
    ///
    /// # Errors
    ///
    /// Nothing is taken.
    pub fn import(
        &mut self,
        bytes: &[u8],
        offset: i64,
        now: i64,
        wanted: impl Fn(&Id) -> bool,
    ) -> Result<(), ImportError> {
        let mut from = Reader { rest: bytes, allowed: self.max_bytes, refused: false };
        let taken = self.take(&mut from, offset, now, wanted);
        if taken.is_none() {
            self.symbols.shrink();
        }
        self.make_room();
        match taken {
            Some(()) => Ok(()),
            None if from.refused => Err(ImportError::TooLarge),
            None => Err(ImportError::Malformed),
        }
    }

    fn take(
        &mut self,
        from: &mut Reader<'_>,
        offset: i64,
        now: i64,
        wanted: impl Fn(&Id) -> bool,
    ) -> Option<()> {
        from.allow(from.rest.len())?;
        let id = Id::new(from.text()?, from.text()?);
        if !wanted(&id) {
            return Some(());
        }
        let count = from.count()?;
        from.allow(count.saturating_mul(32))?;
        let texts: Vec<&str> = (0..count).map(|_| from.text()).collect::<Option<_>>()?;
        let collector = *texts.get(from.index()?)?;
        let datname = match from.index()?.checked_sub(1) {
            Some(place) => Some(*texts.get(place)?),
            None => None,
        };
        let (server_wide, is_object) = (from.number()? == 1, from.number()? == 1);
        let mut group = Group::import(from, &texts, &mut self.symbols, offset, now)?;
        if !from.rest.is_empty() {
            group.clear(&mut self.symbols);
            return None;
        }
        let key = Key {
            collector: self.symbols.take(collector),
            datname: datname.map(|name| self.symbols.take(name)),
            server_wide,
            rank: if is_object { Rank::Object } else { Rank::Whole },
        };
        self.databases.entry(id).or_default().restore(&mut self.symbols, key, group);
        Some(())
    }
}

/// The texts of one piece.
#[derive(Default)]
pub(super) struct Texts {
    places: HashMap<Symbol, u64>,
    all: Vec<Symbol>,
}

impl Texts {
    /// The place of a text among those of the piece.
    pub(super) fn place(&mut self, symbol: Symbol) -> u64 {
        let Self { places, all, .. } = self;
        *places.entry(symbol).or_insert_with(|| {
            all.push(symbol);
            all.len() as u64 - 1
        })
    }
}

/// Appends a number.
pub(super) fn put_number(out: &mut Vec<u8>, number: u64) {
    push_varint(out, number);
}

/// Appends bytes with their length.
pub(super) fn put(out: &mut Vec<u8>, bytes: &[u8]) {
    put_number(out, bytes.len() as u64);
    out.extend_from_slice(bytes);
}

/// Takes off the front what [`put`] and [`put_number`] wrote; everything else is `None`.
pub(super) struct Reader<'b> {
    rest: &'b [u8],
    /// Bytes of memory that it may still become.
    allowed: usize,
    refused: bool,
}

impl<'b> Reader<'b> {
    pub(super) fn number(&mut self) -> Option<u64> {
        take_varint(&mut self.rest)
    }

    /// A place in a list.
    pub(super) fn index(&mut self) -> Option<usize> {
        usize::try_from(self.number()?).ok()
    }

    /// The length of a list, each of whose items takes a byte at least.
    pub(super) fn count(&mut self) -> Option<usize> {
        self.index().filter(|count| *count <= self.rest.len())
    }

    pub(super) fn bytes(&mut self) -> Option<&'b [u8]> {
        let len = self.index()?;
        let (bytes, rest) = self.rest.split_at_checked(len)?;
        self.rest = rest;
        Some(bytes)
    }

    fn text(&mut self) -> Option<&'b str> {
        std::str::from_utf8(self.bytes()?).ok()
    }

    /// Whether so much memory may be taken.
    pub(super) fn allow(&mut self, bytes: usize) -> Option<()> {
        let left = self.allowed.checked_sub(bytes);
        self.refused |= left.is_none();
        self.allowed = left?;
        Some(())
    }
}
