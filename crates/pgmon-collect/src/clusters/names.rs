//! Names that clusters are told apart by.
//!
//! Shards and Patroni scopes are called the same at every site, and what a source finds is known only when it
//! runs: two entries may find clusters of one name. Neither may be lost for that.

use pgmon_core::cluster::{Cluster, ClusterSnapshot, Issue, Manager, NAME_TAKEN, Severity};
use pgmon_core::label;
use std::collections::{BTreeSet, HashSet};
use std::sync::{Arc, Mutex, PoisonError};

/// Which names were found taken, so that each is logged once.
#[derive(Debug, Default)]
pub(super) struct Names {
    logged: Mutex<BTreeSet<(Manager, String, Arc<str>)>>,
}

impl Names {
    /// The same snapshots, no two with the same manager and name. Who comes later gets a number behind its name,
    /// and an issue that says so.
    pub(super) fn apart<T>(&self, all: Vec<(T, Arc<ClusterSnapshot>)>) -> Vec<(T, Arc<ClusterSnapshot>)> {
        let mut taken = HashSet::new();
        let name = |(with, snapshot): (T, Arc<ClusterSnapshot>)| {
            // As their series are called.
            if taken.insert((snapshot.manager, label::name(&snapshot.name))) {
                return (with, snapshot);
            }
            let mut n = 2_u32;
            let mut other = numbered(&snapshot.name, n);
            while !taken.insert((snapshot.manager, label::name(&other))) {
                n += 1;
                other = numbered(&snapshot.name, n);
            }
            self.log(&snapshot, &other);
            (with, Arc::new(renamed(&snapshot, &other)))
        };
        all.into_iter().map(name).collect()
    }

    fn log(&self, snapshot: &ClusterSnapshot, other: &str) {
        let key = (snapshot.manager, other.to_owned(), snapshot.source.clone());
        if self.logged.lock().unwrap_or_else(PoisonError::into_inner).insert(key) {
            tracing::warn!(manager = %snapshot.manager, source = &*snapshot.source, "{}", text(&snapshot.name, other));
        }
    }
}

fn numbered(name: &str, n: u32) -> String {
    format!("{name}/{n}")
}

fn text(name: &str, other: &str) -> String {
    format!(
        "another source has a cluster {name} as well: this one is called {other}; set `name` in one of their entries"
    )
}

fn renamed(snapshot: &ClusterSnapshot, other: &str) -> ClusterSnapshot {
    let mut renamed = ClusterSnapshot { name: other.into(), ..snapshot.clone() };
    renamed.cluster = renamed.cluster.map(|cluster| {
        let mut cluster = Cluster { name: other.to_owned(), ..(*cluster).clone() };
        let text = text(&snapshot.name, other);
        cluster.issues.push(Issue { code: NAME_TAKEN, severity: Severity::Warning, peer: None, text });
        Arc::new(cluster)
    });
    renamed
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    fn snapshot(manager: Manager, name: &str, known: bool) -> Arc<ClusterSnapshot> {
        let pending = ClusterSnapshot::pending(manager, name, "somewhere", Duration::from_secs(1));
        let cluster = known.then(|| Arc::new(Cluster::new(manager, name, "somewhere")));
        Arc::new(ClusterSnapshot { cluster, ..pending })
    }

    #[test]
    fn clusters_of_one_name_are_kept_apart_and_it_is_said() {
        use Manager::{Manatee, Patroni};
        let all = [
            (Manatee, "1.moray", true),
            (Patroni, "1.moray", true),
            (Manatee, "1.moray/2", true),
            (Manatee, "1.moray", true),
            (Manatee, "2.moray", true),
            (Manatee, "1.moray", false),
        ];
        let all: Vec<_> = all.into_iter().map(|(m, n, k)| ((), snapshot(m, n, k))).collect();
        let names = Names::default();
        let found = names.apart(all.clone());
        let told: Vec<&str> = found.iter().map(|(_, s)| &*s.name).collect();
        assert_eq!(told, ["1.moray", "1.moray", "1.moray/2", "1.moray/3", "2.moray", "1.moray/4"]);
        let issues = |n: usize| -> Vec<&str> {
            let cluster = found[n].1.cluster.as_ref();
            cluster.into_iter().flat_map(|c| c.issues.iter().map(|i| i.code)).collect()
        };
        assert_eq!([issues(0), issues(2), issues(3)], [vec![], vec![], vec!["name_taken"]]);
        assert_eq!(found[3].1.cluster.as_ref().map(|c| c.name.as_str()), Some("1.moray/3"));
        // Asked for again, it is the same, and no more is logged.
        assert_eq!(names.apart(all).iter().map(|(_, s)| &*s.name).collect::<Vec<_>>(), told);
        assert_eq!(names.logged.lock().unwrap().len(), 2);
    }
}
