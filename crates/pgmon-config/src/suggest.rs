//! "Did you mean ...?"

/// The candidate that `word` looks like, if one is near enough to be worth naming.
pub(crate) fn nearest<'a>(word: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let word = word.to_ascii_lowercase();
    candidates
        .into_iter()
        .map(|candidate| {
            // The distance of edits finds slips; the ratio of Jaro-Winkler, words with a common beginning.
            let edits = strsim::damerau_levenshtein(&word, &candidate.to_ascii_lowercase());
            let likeness = strsim::jaro_winkler(&word, &candidate.to_ascii_lowercase());
            (candidate, edits, likeness)
        })
        .filter(|(candidate, edits, likeness)| *edits <= candidate.len() / 3 || *likeness >= 0.9)
        .max_by(|a, b| b.1.cmp(&a.1).then(a.2.total_cmp(&b.2)))
        .map(|(candidate, ..)| candidate)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_what_is_near() {
        assert_eq!(nearest("hot_pth", ["hot_path", "hourly"]), Some("hot_path"));
        assert_eq!(nearest("database", ["databases", "dsn"]), Some("databases"));
        assert_eq!(nearest("SSLmode", ["sslmode", "sslcert"]), Some("sslmode"));
        assert_eq!(nearest("hunter2", ["host", "port", "user", "password"]), None);
    }
}
