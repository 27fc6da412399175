//! The file that keeps the history over a restart.
//!
//! `history.pgmon` begins with a mark and the number of its format. Then come pieces, each with its length and
//! checksum, and at the end a piece of no length with their number in place of a checksum. A new file is
//! written beside it, made durable, and put in its place: at any time there is a whole one.
//!
//! A file that cannot be read is set aside under another name and never written over.

use super::offset;
use super::services::is_service;
use crate::poller::fleet::Fleet;
use flate2::Crc;
use pgmon_core::clock::Clock;
use pgmon_core::history::{Id, ImportError};
use std::collections::BTreeSet;
use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, BufReader, BufWriter, ErrorKind, Read, SeekFrom, Write};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

const NAME: &str = "history.pgmon";
const MARK: &[u8; 8] = b"pgmonhst";
/// Rises with every change of what the bytes mean, also within pieces.
const FORMAT: u32 = 1;

/// Why a file was not read.
#[derive(Debug, thiserror::Error)]
enum Unreadable {
    #[error(transparent)]
    Io(#[from] io::Error),
    #[error("it is not a history of pgmon")]
    NotOurs,
    #[error("its format is {0}; this pgmon reads format {FORMAT}")]
    Format(u32),
    #[error("it is damaged: {0}")]
    Damaged(&'static str),
}

/// What was read.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
struct Restored {
    pieces: u32,
    too_large: u32,
}

/// Reads and writes the file of a directory, for one process at a time.
#[derive(Debug)]
pub(super) struct Keeper {
    directory: PathBuf,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    /// Held as long as the process lives.
    lock: Option<File>,
    /// A file is there that must be set aside before another one takes its name.
    in_the_way: bool,
}

impl Keeper {
    pub(super) fn new(directory: PathBuf) -> Self {
        Self { directory, state: Mutex::default() }
    }

    /// Reads what is there into the history of the databases that are watched.
    pub(super) fn load(&self, fleet: &Fleet, clock: &dyn Clock) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        // Where nothing can be written, something may be there to be read all the same.
        let locked = self.lock(&mut state);
        if matches!(&locked, Err(error) if error.kind() == ErrorKind::WouldBlock) {
            return self.report(fleet, locked);
        }
        match self.read(fleet, clock) {
            Ok(None) => self.report(fleet, locked),
            Ok(Some(read)) => {
                let stats = fleet.history().stats();
                let path = self.file();
                if read.too_large > 0 {
                    tracing::warn!(
                        path = %path.display(),
                        "the kept history does not fit into history.max_bytes: its largest groups of series were left out"
                    );
                }
                tracing::info!(path = %path.display(), series = stats.series, bytes = stats.bytes, "the history was read");
                self.report(fleet, locked);
            }
            Err(error) => {
                state.in_the_way = true;
                tracing::warn!(path = %self.file().display(), "the kept history cannot be read: {error}");
                let result = locked.and_then(|()| self.set_aside(&mut state, clock));
                self.report(fleet, result);
            }
        }
    }

    /// Writes what the history holds.
    pub(super) fn save(&self, fleet: &Fleet, clock: &dyn Clock) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let result = self.lock(&mut state);
        let result = result.and_then(|()| self.set_aside(&mut state, clock));
        self.report(fleet, result.and_then(|()| self.write(fleet, clock)));
    }

    fn file(&self) -> PathBuf {
        self.directory.join(NAME)
    }

    /// Says once what is wrong, and once that it is over.
    fn report(&self, fleet: &Fleet, result: io::Result<()>) {
        let trouble = &fleet.history().trouble;
        let before = trouble.load_full();
        match result {
            Ok(()) if before.is_none() => {}
            Ok(()) => {
                tracing::info!(path = %self.directory.display(), "the history is kept over a restart again");
                trouble.store(None);
            }
            Err(error) => {
                let text = format!(
                    "it is not kept over a restart: {} (history.path): {error}",
                    self.directory.display()
                );
                if before.is_none_or(|before| *before != text) {
                    tracing::error!("history: {text}");
                    trouble.store(Some(Arc::new(text)));
                }
            }
        }
    }

    /// Two processes that write the same file would lose each other's figures.
    fn lock(&self, state: &mut State) -> io::Result<()> {
        if state.lock.is_some() {
            return Ok(());
        }
        fs::DirBuilder::new().recursive(true).mode(0o700).create(&self.directory)?;
        let file = private().open(self.directory.join("history.lock"))?;
        match file.try_lock() {
            Ok(()) => state.lock = Some(file),
            Err(TryLockError::WouldBlock) => {
                return Err(io::Error::new(ErrorKind::WouldBlock, "another pgmon uses this directory"));
            }
            Err(TryLockError::Error(error)) => return Err(error),
        }
        Ok(())
    }

    fn set_aside(&self, state: &mut State, clock: &dyn Clock) -> io::Result<()> {
        if !state.in_the_way {
            return Ok(());
        }
        let time = clock.wall().as_second();
        let names = (0..100).map(|n| self.directory.join(format!("{NAME}.unreadable-{time}-{n}")));
        let mut free = names.filter(|name| fs::symlink_metadata(name).is_err());
        let to = free.next().ok_or_else(|| io::Error::other("no name is free for what cannot be read"))?;
        let renamed = fs::rename(self.file(), &to);
        state.in_the_way = false;
        match renamed {
            Ok(()) => {}
            // Somebody else did.
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(()),
            Err(error) => {
                state.in_the_way = true;
                return Err(error);
            }
        }
        tracing::warn!(path = %to.display(), "the history that cannot be read was set aside; it begins anew");
        Ok(())
    }

    fn write(&self, fleet: &Fleet, clock: &dyn Clock) -> io::Result<()> {
        let new = self.directory.join(format!("{NAME}.new"));
        let file = private().truncate(true).open(&new)?;
        let mut out = BufWriter::with_capacity(64 << 10, file);
        write_pieces(&mut out, fleet, offset(clock))?;
        out.into_inner().map_err(io::IntoInnerError::into_error)?.sync_all()?;
        fs::rename(&new, self.file())?;
        // The name must be as durable as the bytes.
        File::open(&self.directory)?.sync_all()
    }

    /// Pieces that are read stay, even if a later one is damaged.
    fn read(&self, fleet: &Fleet, clock: &dyn Clock) -> Result<Option<Restored>, Unreadable> {
        let file = match File::open(self.file()) {
            Ok(file) => file,
            Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => {
                return Ok(None);
            }
            Err(error) => return Err(error.into()),
        };
        let length = file.metadata()?.len();
        read_pieces(&mut BufReader::new(file), length, fleet, clock).map(Some)
    }
}

/// What only the owner may read: names of tables are in it.
fn private() -> OpenOptions {
    let mut options = OpenOptions::new();
    options.write(true).create(true).mode(0o600);
    options
}

fn write_pieces(out: &mut impl Write, fleet: &Fleet, offset: i64) -> io::Result<()> {
    out.write_all(MARK)?;
    out.write_all(&FORMAT.to_le_bytes())?;
    let (mut piece, mut cursor, mut pieces) = (Vec::new(), None, 0_u32);
    loop {
        piece.clear();
        // Readers and the writer get their turn between two pieces.
        cursor = fleet.history().read(|h| h.export(cursor.take(), offset, &mut piece));
        if cursor.is_none() {
            break;
        }
        let length =
            u32::try_from(piece.len()).map_err(|_| io::Error::other("a group of series exceeds 4 GiB"))?;
        out.write_all(&length.to_le_bytes())?;
        out.write_all(&checksum(&piece).to_le_bytes())?;
        out.write_all(&piece)?;
        pieces = pieces.saturating_add(1);
    }
    out.write_all(&0_u32.to_le_bytes())?;
    out.write_all(&pieces.to_le_bytes())?;
    out.flush()
}

fn read_pieces(
    file: &mut (impl Read + io::Seek),
    length: u64,
    fleet: &Fleet,
    clock: &dyn Clock,
) -> Result<Restored, Unreadable> {
    let mut mark = [0; 8];
    file.read_exact(&mut mark).map_err(cut)?;
    if mark != *MARK {
        return Err(Unreadable::NotOurs);
    }
    let format = number(file)?;
    if format != FORMAT {
        return Err(Unreadable::Format(format));
    }
    let cells = fleet.cells();
    let watched: BTreeSet<Id> = cells.iter().map(|c| super::id_of(&c.snapshot())).collect();
    // Services that are checked no more go with the first round.
    let wanted = |id: &Id| watched.contains(id) || is_service(id);
    let history = fleet.history();
    let most = u64::try_from(history.read(|h| h.max_bytes())).unwrap_or(u64::MAX);
    let (offset, now) = (offset(clock), super::millis(clock.mono()));
    let (mut read, mut at, mut piece) = (Restored::default(), 12_u64, Vec::new());
    loop {
        let (size, check) = (number(file)?, number(file)?);
        if size == 0 {
            let whole = check == read.pieces;
            return if whole { Ok(read) } else { Err(Unreadable::Damaged("pieces are missing")) };
        }
        at += 8 + u64::from(size);
        // Before memory is taken for it.
        if at > length {
            return Err(Unreadable::Damaged("it was cut off"));
        }
        read.pieces += 1;
        if u64::from(size) > most {
            read.too_large += 1;
            file.seek(SeekFrom::Current(i64::from(size)))?;
            continue;
        }
        piece.resize(usize::try_from(size).unwrap_or(usize::MAX), 0);
        file.read_exact(&mut piece).map_err(cut)?;
        if checksum(&piece) != check {
            return Err(Unreadable::Damaged("a checksum is wrong"));
        }
        match history.write(|h| h.import(&piece, offset, now, wanted)) {
            Ok(()) => {}
            Err(ImportError::TooLarge) => read.too_large += 1,
            Err(ImportError::Malformed) => return Err(Unreadable::Damaged("a piece makes no sense")),
        }
    }
}

fn cut(error: io::Error) -> Unreadable {
    match error.kind() {
        ErrorKind::UnexpectedEof => Unreadable::Damaged("it was cut off"),
        _ => error.into(),
    }
}

fn number(file: &mut impl Read) -> Result<u32, Unreadable> {
    let mut bytes = [0; 4];
    file.read_exact(&mut bytes).map_err(cut)?;
    Ok(u32::from_le_bytes(bytes))
}

fn checksum(bytes: &[u8]) -> u32 {
    let mut crc = Crc::new();
    crc.update(bytes);
    crc.sum()
}

#[cfg(test)]
mod tests;
