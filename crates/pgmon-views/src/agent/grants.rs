//! What collectors need to be granted.

use super::rows::Grant;
use super::states;
use crate::source::Source;
use pgmon_collect::postgres::collectors::ALL;
use pgmon_core::snapshot::Outcome;
use std::collections::BTreeMap;

const MONITOR: &str = "pg_monitor";
/// What [`MONITOR`] contains.
const OF_MONITOR: [&str; 3] = ["pg_read_all_settings", "pg_read_all_stats", "pg_stat_scan_tables"];

/// What collectors need, of roles that contain each other the outer one; whether it is there, and what to run if not.
pub(crate) fn grants(s: &Source<'_>) -> Vec<Grant> {
    let mut all: BTreeMap<String, Grant> = BTreeMap::new();
    let entry = |all: &mut BTreeMap<String, Grant>, needs: String| {
        all.entry(needs.clone())
            .or_insert_with(|| Grant {
                needs,
                met: None,
                collectors: Vec::new(),
                effects: Vec::new(),
                remedy: None,
            })
            .clone()
    };
    for (state, _) in states(s) {
        let spec = ALL.iter().find(|r| *r.spec.name == *state.collector).map(|r| r.spec);
        // What it needs and does not miss is there.
        for need in spec.map_or(&[][..], |spec| spec.needs) {
            let mut grant = entry(&mut all, need.label());
            let missing = state.blind.iter().any(|b| b.needs == grant.needs);
            if !missing && state.outcome != Outcome::Unsupported {
                grant.met.get_or_insert(true);
            }
            add(&mut grant.collectors, &state.collector);
            all.insert(grant.needs.clone(), grant);
        }
        for blind in &state.blind {
            // What a standby cannot count is nobody's to grant.
            if blind.needs == "primary" {
                continue;
            }
            let mut grant = entry(&mut all, blind.needs.clone());
            grant.met = Some(false);
            add(&mut grant.collectors, &state.collector);
            add(&mut grant.effects, &blind.effect);
            grant.remedy = grant.remedy.or_else(|| blind.remedy.clone());
            all.insert(grant.needs.clone(), grant);
        }
    }
    for part in OF_MONITOR {
        let (Some(whole), Some(of)) = (all.get(MONITOR), all.get(part)) else { continue };
        // If that is there and this is not, it is what is missing.
        if of.met == Some(false) && whole.met == Some(true) {
            continue;
        }
        let Some(of) = all.remove(part) else { continue };
        if let Some(whole) = all.get_mut(MONITOR) {
            of.collectors.iter().for_each(|name| add(&mut whole.collectors, name));
            of.effects.iter().for_each(|effect| add(&mut whole.effects, effect));
        }
    }
    let mut all: Vec<Grant> = all.into_values().collect();
    all.sort_by_key(|grant| grant.met.unwrap_or(true));
    all
}

fn add(list: &mut Vec<String>, text: &str) {
    if !list.iter().any(|known| known == text) {
        list.push(text.to_owned());
    }
}
