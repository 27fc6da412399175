use super::*;
use crate::history::tests::{CONNECTIONS, DEAD, epoch, snapshot, state};
use crate::history::{Recorder, millis};
use crate::poller::timer::ManualClock;
use pgmon_core::history::Query;
use pgmon_core::snapshot::{Snapshot, Up};
use proptest::prelude::*;
use std::time::Duration;

const S: fn(u64) -> Duration = Duration::from_secs;

/// A process that watches `a` and `b`, started so many seconds after the first one.
struct Process {
    clock: Arc<ManualClock>,
    fleet: Arc<Fleet>,
    recorder: Recorder,
    keeper: Keeper,
}

impl Process {
    fn new(after: u64, directory: &std::path::Path) -> Self {
        let clock = Arc::new(ManualClock::new(epoch() + S(after)));
        let pending = |name: &&str| Snapshot { up: Up::Pending, ..snapshot(name) };
        let fleet = Arc::new(Fleet::new(["a", "b"].iter().map(pending).collect()));
        let mut recorder = Recorder::new(fleet.clone(), clock.clone(), pgmon_config::History::default());
        recorder.limit();
        Self { clock, fleet, recorder, keeper: Keeper::new(directory.to_owned()) }
    }

    fn load(&self) {
        self.keeper.load(&self.fleet, &*self.clock);
    }

    fn save(&self) {
        self.keeper.save(&self.fleet, &*self.clock);
    }

    fn trouble(&self) -> String {
        self.fleet.history().trouble().map(|text| text.to_string()).unwrap_or_default()
    }

    /// Rounds every 15 s.
    fn work(&mut self, rounds: u32) {
        for round in 0..rounds {
            self.clock.advance(S(15));
            let now = self.clock.mono();
            for (cell, name) in self.fleet.cells().iter().zip(["a", "b"]) {
                let mut s = snapshot(name);
                s.collectors = vec![
                    state("tables", false, now, f64::from(round)),
                    state("connections", true, now, f64::from(round % 7)),
                ];
                cell.publish(s);
            }
            self.recorder.take();
        }
    }

    /// Seconds since the first process began, value, and whether a gap was before it.
    fn read(&self, name: &str) -> Vec<(i64, f64, bool)> {
        let start = epoch().as_millisecond();
        let (from, to) = (start - 86_400_000, start + 864_000_000);
        let query = Query { name, matchers: &[], from, to, points: usize::MAX, series: 10 };
        let id = Id::new("c", "a");
        let answer = self.fleet.history().range(&self.fleet, &*self.clock, &id, &query).unwrap();
        assert!(answer.curves.len() <= 1, "{answer:?}");
        let points = answer.curves.iter().flat_map(|c| &c.points);
        points.map(|p| ((p.at - start) / 1000, p.mean, p.after_gap)).collect()
    }
}

fn names(directory: &std::path::Path) -> Vec<String> {
    let all = fs::read_dir(directory).unwrap();
    let mut names: Vec<_> = all.map(|e| e.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

#[test]
fn a_restart_is_a_gap_and_nothing_else() {
    let directory = tempfile::tempdir().unwrap();
    let directory = directory.path().join("new/history");
    let mut first = Process::new(0, &directory);
    first.load();
    first.work(200);
    let before = (first.read(DEAD.name), first.read(CONNECTIONS.name));
    first.save();
    drop(first);
    assert_eq!(names(&directory), ["history.lock", NAME], "nothing else is left");
    // Ten minutes later.
    let mut second = Process::new(200 * 15 + 600, &directory);
    second.load();
    assert_eq!(
        (second.trouble().as_str(), (second.read(DEAD.name), second.read(CONNECTIONS.name))),
        ("", before.clone())
    );
    second.work(2);
    let after = second.read(DEAD.name);
    let old = before.0.len();
    assert_eq!(after[..old], before.0[..]);
    assert_eq!(after[old..], [(3615, 0.0, true), (3630, 1.0, false)]);
    // A third one has what both saw.
    second.save();
    drop(second);
    let third = Process::new(6000, &directory);
    third.load();
    assert_eq!(third.read(DEAD.name), after);
    // A database that is not watched any more is not read.
    drop(third);
    let mut other = Process::new(6000, &directory);
    other.fleet = Arc::new(Fleet::new(vec![snapshot("b")]));
    other.fleet.history().set_limit(8 << 20, 1, 0);
    other.load();
    let all = other.fleet.history().stats().series;
    assert!(all > 0 && all < 5, "{all}");
}

#[test]
fn a_week_later_nothing_is_left_and_a_day_later_something_is() {
    let directory = tempfile::tempdir().unwrap();
    let mut first = Process::new(0, directory.path());
    first.work(300);
    first.save();
    drop(first);
    for (after, any) in [(86_400, true), (8 * 86_400, false)] {
        let later = Process::new(4500 + after, directory.path());
        later.load();
        later.fleet.history().write(|h| h.expire(millis(later.clock.mono())));
        assert_eq!(!later.read(CONNECTIONS.name).is_empty(), any);
    }
}

#[test]
fn what_cannot_be_read_is_set_aside_as_it_is() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join(NAME);
    let mut first = Process::new(0, directory.path());
    first.work(50);
    first.save();
    drop(first);
    let good = fs::read(&path).unwrap();
    let mut other_format = good.clone();
    other_format[8] = 99;
    let mut wrong = good.clone();
    wrong[good.len() / 2] ^= 1;
    let mut set_aside = 0;
    for bad in [
        b"something else altogether".to_vec(),
        other_format,
        wrong,
        good[..good.len() - 3].to_vec(),
        Vec::new(),
    ] {
        fs::write(&path, &bad).unwrap();
        let mut next = Process::new(1000, directory.path());
        next.load();
        assert_eq!(next.trouble(), "");
        set_aside += 1;
        let aside = || names(directory.path()).into_iter().filter(|n| n.contains("unreadable"));
        assert_eq!(aside().count(), set_aside);
        assert!(aside().any(|n| fs::read(directory.path().join(n)).unwrap() == bad));
        next.work(2);
        next.save();
        assert_ne!(fs::read(&path).unwrap(), bad);
    }
}

#[test]
fn where_nothing_can_be_written_it_is_said_and_work_goes_on() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("file");
    fs::write(&file, "x").unwrap();
    let mut process = Process::new(0, &file.join("history"));
    process.load();
    process.work(3);
    process.save();
    assert!(process.trouble().contains("file/history (history.path)"), "{}", process.trouble());
    assert_eq!(process.read(DEAD.name).len(), 3);
    // It is tried again.
    fs::remove_file(&file).unwrap();
    process.save();
    assert_eq!(process.trouble(), "");
    assert_eq!(names(&file.join("history")), ["history.lock", NAME]);
}

#[test]
fn two_processes_do_not_write_the_same_file() {
    let directory = tempfile::tempdir().unwrap();
    let mut first = Process::new(0, directory.path());
    first.work(3);
    first.save();
    let kept = fs::read(directory.path().join(NAME)).unwrap();
    let mut second = Process::new(100, directory.path());
    second.load();
    second.work(9);
    second.save();
    assert!(second.trouble().contains("another pgmon"), "{}", second.trouble());
    assert_eq!(fs::read(directory.path().join(NAME)).unwrap(), kept);
    drop(first);
    second.save();
    assert_eq!(second.trouble(), "");
    assert_ne!(fs::read(directory.path().join(NAME)).unwrap(), kept);
}

#[test]
fn a_piece_that_says_it_is_large_takes_no_memory() {
    let process = Process::new(0, std::path::Path::new("/nonexistent"));
    let mut bytes = [&MARK[..], &FORMAT.to_le_bytes(), &u32::MAX.to_le_bytes(), &[0; 30]].concat();
    let length = bytes.len() as u64;
    let read = read_pieces(&mut io::Cursor::new(&mut bytes), length, &process.fleet, &*process.clock);
    assert!(matches!(read, Err(Unreadable::Damaged("it was cut off"))), "{read:?}");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn a_damaged_file_is_never_taken_for_a_whole_one(
        at in any::<prop::sample::Index>(), flip in 1_u8.., cut in prop::option::of(any::<prop::sample::Index>()),
    ) {
        let mut first = Process::new(0, std::path::Path::new("/nonexistent"));
        first.work(5);
        let mut bytes = Vec::new();
        write_pieces(&mut bytes, &first.fleet, offset(&*first.clock)).unwrap();
        match cut {
            Some(cut) => bytes.truncate(cut.index(bytes.len())),
            None => {
                let at = at.index(bytes.len());
                bytes[at] ^= flip;
            }
        }
        let next = Process::new(200, std::path::Path::new("/nonexistent"));
        let length = bytes.len() as u64;
        let read = read_pieces(&mut io::Cursor::new(bytes), length, &next.fleet, &*next.clock);
        prop_assert!(read.is_err(), "{read:?}");
    }
}
