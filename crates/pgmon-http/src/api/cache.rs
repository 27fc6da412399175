//! Answers that were made before: a page is built once for a snapshot, not for each who asks.
//!
//! What an answer was made from is held weakly, so that the cache keeps no old snapshot alive; as long
//! as it is there, its address belongs to no other.

use axum::body::Bytes;
use pgmon_core::snapshot::{CollectorState, Snapshot};
use pgmon_views::Rules;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;

/// Ages in a body are right to so much.
const AGES_HOLD: Duration = Duration::from_secs(1);

/// All bodies together, bytes.
const MAX_BYTES: usize = 2 << 20;

/// An answer's number of bodies.
const MAX_ENTRIES: usize = 128;

/// What an answer is made from.
#[derive(Debug, Clone)]
pub enum Inputs {
    /// One database.
    Database {
        /// Its snapshots.
        snapshots: Vec<Weak<Snapshot>>,
        /// What was found in other databases.
        roamed: Weak<Vec<CollectorState>>,
        /// The rules.
        rules: Arc<Rules>,
    },
    /// All of them, by the fleet's version.
    Fleet(u64, Arc<Rules>),
    /// The clusters, by their version.
    Clusters(u64),
}

impl PartialEq for Inputs {
    fn eq(&self, other: &Self) -> bool {
        match (self, other) {
            (
                Self::Database { snapshots: a, roamed: ra, rules: ya },
                Self::Database { snapshots: b, roamed: rb, rules: yb },
            ) => {
                a.len() == b.len()
                    && a.iter().zip(b).all(|(a, b)| a.ptr_eq(b))
                    && ra.ptr_eq(rb)
                    && Arc::ptr_eq(ya, yb)
            }
            (Self::Fleet(a, ya), Self::Fleet(b, yb)) => a == b && Arc::ptr_eq(ya, yb),
            (Self::Clusters(a), Self::Clusters(b)) => a == b,
            _ => false,
        }
    }
}

/// A finished answer.
#[derive(Debug, Clone)]
pub struct Body {
    /// Its bytes.
    pub bytes: Bytes,
    /// The same for those who take gzip, if that is worth it.
    pub gzip: Option<Bytes>,
    /// Its type.
    pub content_type: &'static str,
    /// Under what name a browser may keep it.
    pub file_name: Option<String>,
}

struct Entry {
    inputs: Inputs,
    /// Until when it says the same, but for ages.
    holds_until: Duration,
    built_at: Duration,
    tag: u64,
    body: Body,
}

/// The answers.
#[derive(Default)]
pub struct Cache(Mutex<Inner>);

#[derive(Default)]
struct Inner {
    entries: HashMap<String, Entry>,
    bytes: usize,
    tags: u64,
}

/// What the cache has for somebody who asks.
pub enum Hit {
    /// He has it already: nothing but ages has changed.
    Unchanged(u64),
    /// A body whose ages are right.
    Body(u64, Body),
    /// It has to be built again. With the tag that it keeps, if nothing but ages has changed.
    Build(Option<u64>),
}

impl Cache {
    /// Looks up what was asked for by `key`; `has` is the tag of what the client has.
    pub fn look(&self, key: &str, inputs: &Inputs, has: impl Fn(u64) -> bool, now: Duration) -> Hit {
        let inner = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(entry) = inner.entries.get(key) else { return Hit::Build(None) };
        if entry.inputs != *inputs || now >= entry.holds_until {
            return Hit::Build(None);
        }
        if has(entry.tag) {
            return Hit::Unchanged(entry.tag);
        }
        if now.saturating_sub(entry.built_at) <= AGES_HOLD {
            return Hit::Body(entry.tag, entry.body.clone());
        }
        Hit::Build(Some(entry.tag))
    }

    /// Keeps an answer and returns its tag.
    pub fn keep(
        &self,
        key: String,
        inputs: Inputs,
        holds_until: Duration,
        now: Duration,
        tag: Option<u64>,
        body: &Body,
    ) -> u64 {
        let mut inner = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let tag = tag.unwrap_or_else(|| {
            inner.tags += 1;
            inner.tags
        });
        let size = size_of(&key, body);
        if let Some(old) = inner.entries.remove(&key) {
            inner.bytes = inner.bytes.saturating_sub(size_of(&key, &old.body));
        }
        if size <= MAX_BYTES {
            inner.make_room(size);
            inner.bytes += size;
            inner.entries.insert(key, Entry { inputs, holds_until, built_at: now, tag, body: body.clone() });
        }
        tag
    }
}

impl Cache {
    /// Keeps the compressed form of an answer, if it is still the one of this tag.
    pub fn keep_packed(&self, key: &str, tag: u64, body: &Body) {
        let mut inner = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let is_it = |e: &Entry| e.tag == tag && e.body.gzip.is_none() && e.body.bytes == body.bytes;
        let Some(entry) = inner.entries.remove(key) else { return };
        if !is_it(&entry) {
            inner.entries.insert(key.to_owned(), entry);
            return;
        }
        inner.bytes = inner.bytes.saturating_sub(size_of(key, &entry.body));
        let size = size_of(key, body);
        if size <= MAX_BYTES {
            inner.make_room(size);
            inner.bytes += size;
            inner.entries.insert(key.to_owned(), Entry { body: body.clone(), ..entry });
        }
    }
}

impl Inner {
    fn make_room(&mut self, size: usize) {
        while self.bytes + size > MAX_BYTES || self.entries.len() >= MAX_ENTRIES {
            let oldest = self.entries.iter().min_by_key(|(_, e)| e.built_at).map(|(key, _)| key.clone());
            let Some(key) = oldest else { return };
            if let Some(entry) = self.entries.remove(&key) {
                self.bytes = self.bytes.saturating_sub(size_of(&key, &entry.body));
            }
        }
    }
}

fn size_of(key: &str, body: &Body) -> usize {
    key.len() + body.bytes.len() + body.gzip.as_ref().map_or(0, Bytes::len) + 256
}

#[cfg(test)]
mod tests {
    use super::*;

    const S: fn(u64) -> Duration = Duration::from_secs;

    fn body(bytes: usize) -> Body {
        Body { bytes: vec![0; bytes].into(), gzip: None, content_type: "text/plain", file_name: None }
    }

    fn rules() -> Arc<Rules> {
        Arc::new(Rules {
            alerts: pgmon_config::Alerts::default(),
            redacts_sql_text: true,
            hide_postgres_defaults: false,
        })
    }

    #[test]
    fn what_has_not_changed_keeps_its_tag_and_is_not_sent_again() {
        let (cache, rules) = (Cache::default(), rules());
        let inputs = |v| Inputs::Fleet(v, rules.clone());
        let tag = cache.keep("a".into(), inputs(1), S(60), S(10), None, &body(5));
        let look = |v, has: Option<u64>, now| cache.look("a", &inputs(v), |t| Some(t) == has, S(now));
        assert!(matches!(look(1, Some(tag), 30), Hit::Unchanged(t) if t == tag));
        assert!(matches!(look(1, None, 11), Hit::Body(t, _) if t == tag));
        assert!(matches!(look(1, None, 30), Hit::Build(Some(t)) if t == tag), "its ages are old");
        assert!(matches!(look(2, Some(tag), 30), Hit::Build(None)), "a new snapshot");
        assert!(matches!(look(1, Some(tag), 60), Hit::Build(None)), "it has become stale");
        let next = cache.keep("a".into(), inputs(2), S(60), S(30), None, &body(5));
        assert_ne!(tag, next);
    }

    #[test]
    fn the_compressed_form_is_kept_with_the_plain_one() {
        let (cache, inputs) = (Cache::default(), Inputs::Fleet(1, rules()));
        let tag = cache.keep("a".into(), inputs.clone(), S(60), S(10), None, &body(5));
        let gzip = || match cache.look("a", &inputs, |_| false, S(10)) {
            Hit::Body(_, body) => body.gzip,
            _ => panic!("it is gone"),
        };
        let packed = |gzip: &'static [u8]| Body { gzip: Some(Bytes::from_static(gzip)), ..body(5) };
        cache.keep_packed("a", tag + 1, &packed(b"other"));
        assert_eq!(gzip(), None, "of another answer");
        cache.keep_packed("a", tag, &packed(b"zip"));
        cache.keep_packed("gone", tag, &packed(b"zip"));
        assert_eq!(gzip().as_deref(), Some(&b"zip"[..]));
        let inner = cache.0.lock().unwrap();
        assert_eq!(inner.bytes, inner.entries.iter().map(|(k, e)| size_of(k, &e.body)).sum::<usize>());
    }

    #[test]
    fn the_cache_stays_small() {
        let (cache, rules) = (Cache::default(), rules());
        for n in 0..1000u64 {
            cache.keep(n.to_string(), Inputs::Fleet(n, rules.clone()), S(60), S(n), None, &body(50_000));
        }
        let inner = cache.0.lock().unwrap();
        assert!(inner.bytes <= MAX_BYTES && inner.entries.len() <= MAX_ENTRIES && inner.entries.len() > 20);
        assert_eq!(inner.bytes, inner.entries.iter().map(|(k, e)| size_of(k, &e.body)).sum::<usize>());
        assert!(inner.entries.contains_key("999") && !inner.entries.contains_key("0"));
    }
}
