//! What somebody may have meant who wrote something else.

/// Names that are told at most.
const MOST: usize = 3;

/// The names that look like this one, the likeliest first.
pub fn near<'n>(word: &str, names: impl IntoIterator<Item = &'n str>) -> Vec<&'n str> {
    // What is compared takes time by its length, and no name is as long.
    let word: String = word.chars().take(80).flat_map(char::to_lowercase).collect();
    let rated = names.into_iter().map(|name| {
        // The distance of edits finds slips; the ratio of Jaro-Winkler, words with a common beginning.
        let edits = strsim::damerau_levenshtein(&word, name);
        (name, edits, strsim::jaro_winkler(&word, name))
    });
    let mut rated: Vec<_> =
        rated.filter(|(name, edits, alike)| *edits <= name.len() / 4 || *alike >= 0.93).collect();
    rated.sort_by(|a, b| a.1.cmp(&b.1).then(b.2.total_cmp(&a.2)).then(a.0.cmp(b.0)));
    rated.dedup_by_key(|(name, ..)| *name);
    rated.into_iter().take(MOST).map(|(name, ..)| name).collect()
}

/// A hint that names what was perhaps meant, and then says `otherwise`.
pub fn hint<'n>(word: &str, names: impl IntoIterator<Item = &'n str>, otherwise: &str) -> String {
    let near = near(word, names);
    if near.is_empty() {
        otherwise.to_owned()
    } else {
        format!("did you mean {}? {otherwise}", near.join(", "))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_what_is_near() {
        let names = ["pg_connections", "pg_connections_max", "pg_tps", "pg_locks"];
        assert_eq!(near("pg_conections", names), ["pg_connections"]);
        assert_eq!(
            near("pg_connections", names),
            ["pg_connections", "pg_connections_max"],
            "a common beginning"
        );
        assert_eq!(near("PG_TPS", names), ["pg_tps"]);
        assert!(near("wal", names).is_empty());
        assert_eq!(hint("pg_lock", names, "see there"), "did you mean pg_locks? see there");
        assert_eq!(hint("x", names, "see there"), "see there");
    }
}
