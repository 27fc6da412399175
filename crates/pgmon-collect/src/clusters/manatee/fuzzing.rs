//! What is in ZooKeeper, and what it sends, taken apart without one.

pub use super::zookeeper::read_as_all as zookeeper_answers;

use super::judge::Findings;
use super::model::{Lags, Shard};
use super::state::{State, election, past};
use crate::clusters::fuzzing::assert_sound;
use std::time::Duration;

/// Takes bytes for the data of every kind of node; the first line is its name as well.
pub fn manatee_nodes(bytes: &[u8]) {
    let first = bytes.split(|byte| *byte == b'\n').next().unwrap_or_default();
    let name = String::from_utf8_lossy(first);
    let election = election([(&*name, bytes)]);
    let history: Vec<_> = past(&name, bytes, None).into_iter().chain(past("0-1", bytes, None)).collect();
    let findings = Findings::new();
    for state in State::read(bytes).ok().into_iter().chain(State::of_election(&election)) {
        for peer in state.peers() {
            assert!(!peer.id.is_empty(), "{peer:?}");
            let _ = (peer.label(), peer.postgres());
        }
        let (election, history) = (Some(election.as_slice()), history.as_slice());
        let shard = Shard { name: "s", source: "zk", state: &state, election, findings: &findings, history };
        assert_sound(shard.cluster(&Lags::default(), Duration::ZERO));
    }
}
