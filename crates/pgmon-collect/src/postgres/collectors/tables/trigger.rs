//! When autovacuum comes to a table, by the same sums as the server does.

use crate::postgres::facts::Facts;

/// What decides when autovacuum comes: the server's settings, or a table's own options over them.
#[derive(Debug, Clone, PartialEq)]
pub struct Triggers {
    enabled: bool,
    vacuum_threshold: f64,
    vacuum_scale: f64,
    /// 18+: never more dead tuples than this; negative: no such limit.
    vacuum_max: f64,
    /// 13+: negative: inserts alone never bring a vacuum.
    insert_threshold: f64,
    insert_scale: f64,
    analyze_threshold: f64,
    analyze_scale: f64,
}

impl Triggers {
    /// The server's settings; `None` if they could not be read.
    pub fn of_server(facts: &Facts) -> Option<Self> {
        Some(Self {
            enabled: facts.setting_on("autovacuum")? && facts.setting_on("track_counts")?,
            vacuum_threshold: facts.setting("autovacuum_vacuum_threshold")?,
            vacuum_scale: facts.setting("autovacuum_vacuum_scale_factor")?,
            vacuum_max: facts.setting("autovacuum_vacuum_max_threshold").unwrap_or(-1.0),
            insert_threshold: facts.setting("autovacuum_vacuum_insert_threshold").unwrap_or(-1.0),
            insert_scale: facts.setting("autovacuum_vacuum_insert_scale_factor").unwrap_or(0.0),
            analyze_threshold: facts.setting("autovacuum_analyze_threshold")?,
            analyze_scale: facts.setting("autovacuum_analyze_scale_factor")?,
        })
    }

    /// These with a table's options (`pg_class.reloptions`, each `name=value`) over them.
    pub fn with(&self, options: &[String]) -> Self {
        let mut own = self.clone();
        for (name, value) in options.iter().filter_map(|o| o.split_once('=')) {
            if name == "autovacuum_enabled" {
                own.enabled &= truth(value).unwrap_or(true);
                continue;
            }
            let Ok(number) = value.parse::<f64>() else { continue };
            let (field, lowest) = match name {
                "autovacuum_vacuum_threshold" => (&mut own.vacuum_threshold, 0.0),
                "autovacuum_vacuum_scale_factor" => (&mut own.vacuum_scale, 0.0),
                "autovacuum_vacuum_max_threshold" => (&mut own.vacuum_max, -1.0),
                "autovacuum_vacuum_insert_threshold" => (&mut own.insert_threshold, -1.0),
                "autovacuum_vacuum_insert_scale_factor" => (&mut own.insert_scale, 0.0),
                "autovacuum_analyze_threshold" => (&mut own.analyze_threshold, 0.0),
                "autovacuum_analyze_scale_factor" => (&mut own.analyze_scale, 0.0),
                _ => continue,
            };
            if number >= lowest {
                *field = number;
            }
        }
        own
    }

    /// Whether autovacuum comes at all (it does so in any case against wraparound).
    pub fn enabled(&self) -> bool {
        self.enabled
    }

    /// So many dead tuples bring a vacuum. A table that was never analysed counts as empty, as it does
    /// for the server.
    pub fn vacuum(&self, rows: Option<f64>) -> f64 {
        let trigger = self.vacuum_threshold + self.vacuum_scale * rows.unwrap_or(0.0);
        if self.vacuum_max >= 0.0 { trigger.min(self.vacuum_max) } else { trigger }
    }

    /// So many inserted tuples bring a vacuum; from 18 on only the share of pages that is not frozen counts.
    pub fn insert(&self, rows: Option<f64>, unfrozen: f64) -> Option<f64> {
        (self.insert_threshold >= 0.0)
            .then(|| self.insert_threshold + self.insert_scale * rows.unwrap_or(0.0) * unfrozen)
    }

    /// So many modified tuples bring an analyze.
    pub fn analyze(&self, rows: Option<f64>) -> f64 {
        self.analyze_threshold + self.analyze_scale * rows.unwrap_or(0.0)
    }
}

/// How far on the way to its trigger a count is: 1 = due. Autovacuum comes when the trigger is exceeded,
/// so a trigger of 0 waits for the first tuple.
pub fn pressure(count: i64, trigger: f64) -> f64 {
    count as f64 / trigger.max(1.0)
}

/// Whether an option of a table, `name=value`, turns autovacuum off for it.
pub fn turns_autovacuum_off(option: &str) -> bool {
    option.strip_prefix("autovacuum_enabled=").is_some_and(|value| truth(value) == Some(false))
}

/// A boolean option as the server reads it: any unique beginning of a word, in any case.
fn truth(value: &str) -> Option<bool> {
    let value = value.trim().to_ascii_lowercase();
    let begins = |word: &str, least: usize| value.len() >= least && word.starts_with(&value);
    if begins("true", 1) || begins("yes", 1) || begins("on", 2) || value == "1" {
        Some(true)
    } else if begins("false", 1) || begins("no", 1) || begins("off", 2) || value == "0" {
        Some(false)
    } else {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn defaults() -> Triggers {
        Triggers {
            enabled: true,
            vacuum_threshold: 50.0,
            vacuum_scale: 0.2,
            vacuum_max: 100_000_000.0,
            insert_threshold: 1000.0,
            insert_scale: 0.2,
            analyze_threshold: 50.0,
            analyze_scale: 0.1,
        }
    }

    #[test]
    fn a_table_of_its_own_mind() {
        let options = ["autovacuum_enabled=OF", "fillfactor=70", "autovacuum_vacuum_scale_factor=0.01"];
        let own = defaults().with(&options.map(String::from));
        assert!(!own.enabled());
        assert_eq!(own.vacuum(Some(10_000.0)), 150.0);
        assert_eq!(own.analyze(Some(10_000.0)), 1050.0);
        let odd = [
            "autovacuum_vacuum_threshold=-7",
            "autovacuum_analyze_threshold=x",
            "novalue",
            "autovacuum_enabled=maybe",
        ];
        assert_eq!(defaults().with(&odd.map(String::from)), defaults());
    }

    #[test]
    fn the_cap_and_the_insert_trigger() {
        assert_eq!(defaults().vacuum(Some(1e12)), 100_000_000.0);
        let no_cap = defaults().with(&["autovacuum_vacuum_max_threshold=-1".to_owned()]);
        assert_eq!(no_cap.vacuum(Some(1e12)), 2e11 + 50.0);
        assert_eq!(defaults().insert(Some(10_000.0), 1.0), Some(3000.0));
        assert_eq!(defaults().insert(Some(10_000.0), 0.5), Some(2000.0));
        assert_eq!(
            defaults().with(&["autovacuum_vacuum_insert_threshold=-1".to_owned()]).insert(None, 1.0),
            None
        );
    }

    #[test]
    fn small_tables_are_not_starved() {
        assert!(pressure(40, defaults().vacuum(Some(3.0))) < 1.0);
        assert_eq!(pressure(0, 0.0), 0.0);
        assert_eq!(defaults().vacuum(None), 50.0);
    }

    #[test]
    fn booleans_as_the_server_reads_them() {
        for (text, expected) in [
            ("on", Some(true)),
            ("o", None),
            ("T", Some(true)),
            ("off", Some(false)),
            ("n", Some(false)),
            ("0", Some(false)),
            ("", None),
            ("onn", None),
        ] {
            assert_eq!(truth(text), expected, "{text:?}");
        }
    }
}
