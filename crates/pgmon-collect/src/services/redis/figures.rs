//! From what a server says of itself to figures, and to what is wrong with it.

use super::families::{
    AOF_OK, CLUSTER_FIELDS, CLUSTER_OK, DB_EXPIRING, DB_KEYS, ERRORS, FIELDS, INSTANCE, LINK, RDB_OK,
    SENTINEL_OK, SENTINEL_PEERS, SENTINEL_REPLICAS, SYNC,
};
use super::info::Info;
use crate::services::probe::{Fault, Found};
use crate::services::redact::cut;
use pgmon_core::metric::Families;
use pgmon_core::service::Evidence;
use std::time::Duration;

/// Databases that are shown; a server has 16 unless it was told otherwise.
const DATABASES: usize = 64;

/// Masters of a sentinel that are shown.
const MASTERS: usize = 64;

/// Fields that are kept as evidence, beside those that are figures.
const SHOWN: &[&str] = &[
    "redis_version",
    "server_name",
    "valkey_version",
    "redis_mode",
    "server_mode",
    "role",
    "maxmemory_policy",
    "master_host",
    "master_port",
    "master_link_status",
    "master_sync_in_progress",
    "rdb_last_bgsave_status",
    "aof_enabled",
    "aof_last_write_status",
    "cluster_enabled",
    "loading_loaded_perc",
    "mem_not_counted_for_evict",
];

/// Errors that are counted: a server's own words could be any number.
const COUNTED: [&str; 10] = [
    "OOM",
    "MISCONF",
    "NOREPLICAS",
    "MASTERDOWN",
    "CLUSTERDOWN",
    "READONLY",
    "LOADING",
    "NOAUTH",
    "WRONGPASS",
    "NOPERM",
];

/// Those with which a server refuses work that it is there for, and why it does.
const REFUSALS: [(&str, &str); 4] = [
    ("OOM", "it is out of memory"),
    ("MISCONF", "it cannot save its data"),
    ("NOREPLICAS", "too few replicas are connected"),
    ("MASTERDOWN", "it has no link to its master"),
];

/// Checks in a row that find commands refused: a single command that is refused is no failure of the server, and
/// whoever may run scripts can raise any error.
const LASTING: u32 = 2;

/// What a server had refused, and since when it ran, when it was last asked.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Refused {
    run: Box<str>,
    counts: [f64; REFUSALS.len()],
    /// Checks in a row, up to this one, that found some refused since the one before.
    in_a_row: u32,
}

impl Refused {
    fn of(info: &Info<'_>) -> Self {
        let count = |code: &str| errors(info, code).unwrap_or(0.0);
        Self {
            run: label(info.text("run_id").unwrap_or_default()).into(),
            counts: REFUSALS.map(|(code, _)| count(code)),
            in_a_row: 0,
        }
    }

    /// What was refused from one check to the next. The counters begin anew with the server, and when somebody resets them.
    fn since(&self, before: Option<&Self>) -> Option<String> {
        let before = before.filter(|before| before.run == self.run)?;
        let grown = |((code, why), (now, then)): (&(&str, &str), (&f64, &f64))| {
            (now > then).then(|| {
                let (n, s) = (now - then, if now - then == 1.0 { "" } else { "s" });
                format!("{why}: it refused {n:.0} command{s} since the last check ({code})")
            })
        };
        REFUSALS.iter().zip(self.counts.iter().zip(&before.counts)).find_map(grown)
    }
}

/// `errorstat_OOM:count=3`; absent before Redis 6.2, and as long as there was none.
fn errors(info: &Info<'_>, code: &str) -> Option<f64> {
    let count = info.text(&format!("errorstat_{code}"))?.strip_prefix("count=")?;
    count.parse::<f64>().ok().filter(|n| n.is_finite())
}

/// Takes the figures, and says what is wrong. `refused` is what was read last time, and becomes what is read now.
pub(super) fn take(
    info: &Info<'_>,
    cluster: Option<&str>,
    took: Duration,
    refused: &mut Option<Refused>,
    found: &mut Found,
) -> Result<(), Fault> {
    let mut now = Refused::of(info);
    let grown = now.since(refused.as_ref());
    let before = refused.as_ref().map_or(0, |before| before.in_a_row);
    now.in_a_row = if grown.is_some() { before.saturating_add(1) } else { 0 };
    let lasts = now.in_a_row >= LASTING;
    *refused = Some(now);
    found.keep(evidence(info, took));
    let (software, version) = software(info);
    found.version = version.map(str::to_owned);
    let word = |name| info.text(name).unwrap_or_default();
    // Valkey calls it server_mode.
    let mode = mode(info.text("redis_mode").or_else(|| info.text("server_mode")).unwrap_or_default());
    let role = role(word("role"), mode);
    found.families.push(&INSTANCE, &[software, &label(version.unwrap_or_default()), mode, role], 1.0);
    for (field, desc) in FIELDS {
        let value = info.number(field);
        // Before the first contact with a master there is no time since it.
        found.families.push_opt(
            desc,
            &[],
            value.filter(|v| *field != "master_last_io_seconds_ago" || *v >= 0.0),
        );
    }
    let flag = |value: Option<&str>, good: &str| value.map(|v| if v == good { 1.0 } else { 0.0 });
    let out = &mut found.families;
    out.push_opt(&RDB_OK, &[], flag(info.text("rdb_last_bgsave_status"), "ok"));
    let aof = info.text("aof_last_write_status").filter(|_| info.text("aof_enabled") == Some("1"));
    out.push_opt(&AOF_OK, &[], flag(aof, "ok"));
    let link = info.text("master_link_status");
    out.push_opt(&LINK, &[], flag(link, "up"));
    out.push_opt(&SYNC, &[], info.number("master_sync_in_progress"));
    for (db, parts) in info.numbered("db").into_iter().take(DATABASES) {
        let number =
            |name: &str| parts.get(name).and_then(|text| text.parse::<f64>().ok()).filter(|n| n.is_finite());
        let db = format!("db{db}");
        out.push_opt(&DB_KEYS, &[&db], number("keys"));
        out.push_opt(&DB_EXPIRING, &[&db], number("expires"));
    }
    sentinel(info, out, &mut found.warnings);
    if link == Some("down") {
        let since = info.number("master_link_down_since_seconds").filter(|s| *s > 0.0);
        let since = since.map(|s| format!(" for {s:.0} s")).unwrap_or_default();
        found.warnings.push(format!("the link to its master is down{since}"));
    }
    if aof.is_some_and(|status| status != "ok") {
        found.warnings.push("the last write to its append-only file failed".to_owned());
    }
    if info.text("rdb_last_bgsave_status").is_some_and(|status| status != "ok") {
        found.warnings.push("its last snapshot to disk failed".to_owned());
    }
    for code in COUNTED {
        found.families.push_opt(&ERRORS, &[code], errors(info, code));
    }
    let state = cluster.map(|text| of_cluster(&Info::parse(text), &mut found.families)).unwrap_or(Ok(()));
    let sound = state.and_then(|()| memory(info));
    match grown {
        Some(why) if sound.is_ok() && lasts => Err(Fault::down(format!("{why}, and some before that one"))),
        Some(why) => {
            found.warnings.push(why);
            sound
        }
        None => sound,
    }
}

/// A cluster that is down refuses commands.
fn of_cluster(info: &Info<'_>, out: &mut Families) -> Result<(), Fault> {
    for (field, desc) in CLUSTER_FIELDS {
        out.push_opt(desc, &[], info.number(field));
    }
    let Some(state) = info.text("cluster_state") else { return Ok(()) };
    out.push(&CLUSTER_OK, &[], if state == "ok" { 1.0 } else { 0.0 });
    if state == "ok" {
        return Ok(());
    }
    let slots = info.number("cluster_slots_ok").unwrap_or(0.0);
    Err(Fault::down(format!("its cluster is down: {slots:.0} of 16384 slots are served")))
}

/// A server that is full and may throw nothing out refuses whatever would take memory.
fn memory(info: &Info<'_>) -> Result<(), Fault> {
    let (Some(used), Some(most)) = (info.number("used_memory"), info.number("maxmemory")) else {
        return Ok(());
    };
    let counted = used - info.number("mem_not_counted_for_evict").unwrap_or(0.0);
    let is_master = info.text("role") != Some("slave");
    if most > 0.0 && counted >= most && is_master && info.text("maxmemory_policy") == Some("noeviction") {
        return Err(Fault::down(format!(
            "it is out of memory and refuses writes: {counted:.0} of {most:.0} bytes, maxmemory-policy noeviction"
        )));
    }
    Ok(())
}

/// `master0:name=shop,status=ok,address=127.0.0.1:6379,slaves=1,sentinels=3`
fn sentinel(info: &Info<'_>, out: &mut Families, warnings: &mut Vec<String>) {
    if info.text("sentinel_masters").is_none() {
        return;
    }
    for (_, parts) in info.numbered("master").into_iter().take(MASTERS) {
        let Some(name) = parts.get("name").map(|name| label(name)) else { continue };
        let number =
            |key: &str| parts.get(key).and_then(|text| text.parse::<f64>().ok()).filter(|n| n.is_finite());
        if let Some(status) = parts.get("status") {
            out.push(&SENTINEL_OK, &[&name], if *status == "ok" { 1.0 } else { 0.0 });
            if *status != "ok" {
                warnings.push(format!("the sentinel takes the master {name} for {status}"));
            }
        }
        out.push_opt(&SENTINEL_REPLICAS, &[&name], number("slaves"));
        out.push_opt(&SENTINEL_PEERS, &[&name], number("sentinels"));
    }
}

/// Valkey and others give the version of Redis that they are compatible with as `redis_version`.
fn software<'t>(info: &Info<'t>) -> (&'static str, Option<&'t str>) {
    let others =
        [("valkey", "valkey_version"), ("dragonfly", "dragonfly_version"), ("keydb", "keydb_version")];
    for (software, field) in others {
        if let Some(version) = info.text(field) {
            return (software, Some(version));
        }
    }
    ("redis", info.text("redis_version"))
}

/// Words that a label may have: a server could send any.
fn mode(text: &str) -> &'static str {
    ["standalone", "cluster", "sentinel"].into_iter().find(|known| *known == text).unwrap_or("")
}

fn role(text: &str, mode: &str) -> &'static str {
    if mode == "sentinel" {
        return "sentinel";
    }
    ["master", "slave"].into_iter().find(|known| *known == text).unwrap_or("")
}

/// Characters of a label, with the mark of a cut 64 at most.
const LABEL: usize = 61;

/// A text of the server's as a label's value.
fn label(text: &str) -> String {
    cut(&text.replace(char::is_control, ""), LABEL)
}

/// What the figures were read from.
fn evidence(info: &Info<'_>, took: Duration) -> Evidence {
    let figures = FIELDS.iter().map(|(field, _)| *field);
    let mut names: Vec<&str> = SHOWN.iter().copied().chain(figures).collect();
    let mut seen = std::collections::HashSet::new();
    names.retain(|name| seen.insert(*name));
    let fields = names.into_iter().filter_map(|name| Some((name.to_owned(), label(info.text(name)?))));
    let mut fields: Vec<_> = fields.collect();
    for (db, parts) in info.numbered("db").into_iter().take(DATABASES) {
        let mut parts: Vec<_> = parts.into_iter().map(|(name, value)| format!("{name}={value}")).collect();
        parts.sort();
        fields.push((format!("db{db}"), label(&parts.join(","))));
    }
    Evidence::fields("INFO", took, fields)
}
