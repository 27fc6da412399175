//! `history.pgmon`, the file that keeps a history over a restart: pieces with lengths and checksums, each of them
//! a group of series as [`History::export`] wrote it.

use anyhow::{Context as _, Result, bail};
use flate2::Crc;
use pgmon_core::history::{History, Id};
use std::fs;
use std::path::Path;

const NAME: &str = "history.pgmon";
const MARK: &[u8; 8] = b"pgmonhst";
const FORMAT: u32 = 1;

/// A group of series, without the database that it is of.
#[derive(Debug, Clone)]
pub struct Piece {
    /// The database.
    pub id: Id,
    body: Vec<u8>,
}

/// What a piece is of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Head {
    /// The collector.
    pub collector: String,
    /// The database that it looked at, where that is not the entry's own.
    pub datname: Option<String>,
    /// Whether it belongs to the whole server.
    pub server_wide: bool,
}

impl Piece {
    /// The pieces of a directory's file.
    pub fn read(directory: &Path) -> Result<Vec<Self>> {
        let file = directory.join(NAME);
        let bytes = fs::read(&file).with_context(|| format!("cannot read {}", file.display()))?;
        let mut rest = bytes.as_slice();
        if take(&mut rest, 8)? != MARK || number(&mut rest)? != FORMAT {
            bail!(
                "{} is no history of format {FORMAT}: bring bench/head_to_head/src/kept.rs up to date",
                file.display()
            );
        }
        let mut pieces = Vec::new();
        loop {
            let (size, _) = (number(&mut rest)?, number(&mut rest)?);
            if size == 0 {
                return Ok(pieces);
            }
            pieces.push(Self::parse(take(&mut rest, usize::try_from(size)?)?)?);
        }
    }

    /// All groups of a history, whose times are Unix times.
    pub fn of(history: &History) -> Result<Vec<Self>> {
        let (mut pieces, mut cursor) = (Vec::new(), None);
        loop {
            let mut bytes = Vec::new();
            cursor = history.export(cursor.take(), 0, &mut bytes);
            if cursor.is_none() {
                return Ok(pieces);
            }
            pieces.push(Self::parse(&bytes)?);
        }
    }

    /// Writes a directory's file.
    pub fn write<'p>(directory: &Path, pieces: impl Iterator<Item = (&'p Id, &'p Self)>) -> Result<()> {
        let mut out = [MARK.as_slice(), &FORMAT.to_le_bytes()].concat();
        let mut count = 0_u32;
        for (id, piece) in pieces {
            let bytes = piece.bytes(id);
            out.extend(u32::try_from(bytes.len())?.to_le_bytes());
            let mut crc = Crc::new();
            crc.update(&bytes);
            out.extend(crc.sum().to_le_bytes());
            out.extend(bytes);
            count += 1;
        }
        out.extend(0_u32.to_le_bytes());
        out.extend(count.to_le_bytes());
        fs::create_dir_all(directory)?;
        Ok(fs::write(directory.join(NAME), out)?)
    }

    /// As [`History::import`] takes it, of another database.
    pub fn bytes(&self, id: &Id) -> Vec<u8> {
        let mut out = Vec::new();
        for text in [&id.cluster, &id.db] {
            put_varint(&mut out, text.len() as u64);
            out.extend(text.as_bytes());
        }
        out.extend(&self.body);
        out
    }

    /// What it is of.
    pub fn head(&self) -> Result<Head> {
        let mut rest = self.body.as_slice();
        let texts: Vec<String> = (0..varint(&mut rest)?).map(|_| text(&mut rest)).collect::<Result<_>>()?;
        let at = |place: u64| usize::try_from(place).ok().and_then(|p| texts.get(p)).cloned();
        let collector = at(varint(&mut rest)?).context("a group without a collector")?;
        let datname = varint(&mut rest)?.checked_sub(1).and_then(at);
        Ok(Head { collector, datname, server_wide: varint(&mut rest)? == 1 })
    }

    fn parse(bytes: &[u8]) -> Result<Self> {
        let mut rest = bytes;
        let (cluster, db) = (text(&mut rest)?, text(&mut rest)?);
        Ok(Self { id: Id::new(&cluster, &db), body: rest.to_vec() })
    }
}

fn take<'b>(rest: &mut &'b [u8], count: usize) -> Result<&'b [u8]> {
    let (bytes, after) = rest.split_at_checked(count).context("the history was cut off")?;
    *rest = after;
    Ok(bytes)
}

fn number(rest: &mut &[u8]) -> Result<u32> {
    Ok(u32::from_le_bytes(take(rest, 4)?.try_into()?))
}

fn varint(rest: &mut &[u8]) -> Result<u64> {
    let mut value = 0;
    for shift in (0..64).step_by(7) {
        let byte = *take(rest, 1)?.first().context("the history was cut off")?;
        value |= u64::from(byte & 0x7f) << shift;
        if byte & 0x80 == 0 {
            break;
        }
    }
    Ok(value)
}

fn text(rest: &mut &[u8]) -> Result<String> {
    let length = usize::try_from(varint(rest)?)?;
    Ok(String::from_utf8(take(rest, length)?.to_vec())?)
}

fn put_varint(out: &mut Vec<u8>, mut value: u64) {
    while value > 0x7f {
        out.push(u8::try_from(value & 0x7f).unwrap_or_default() | 0x80);
        value >>= 7;
    }
    out.push(u8::try_from(value).unwrap_or_default());
}
