//! What a page of metrics says.

/// The samples of a page.
pub fn samples(page: &str) -> usize {
    page.lines().filter(|line| !line.is_empty() && !line.starts_with('#')).count()
}

/// Values of a family's samples, with the text of their labels.
pub fn values<'a>(page: &'a str, name: &str) -> Vec<(&'a str, f64)> {
    page.lines()
        .filter_map(|line| {
            let (labels, value) = line.strip_prefix(name)?.rsplit_once(' ')?;
            (labels.is_empty() || labels.starts_with('{')).then_some((labels, value.parse().ok()?))
        })
        .collect()
}

/// The value of a label.
pub fn label<'a>(labels: &'a str, name: &str) -> Option<&'a str> {
    let (_, rest) = labels.split_once(&format!("{name}=\""))?;
    Some(rest.split_once('"')?.0)
}

/// How many rounds of a loop pgmon has run, over all its entries.
pub fn rounds(page: &str, of: &str) -> f64 {
    let of_loop = |labels: &&str| label(labels, "loop") == Some(of);
    let counts = values(page, "pgmon_scrape_duration_seconds_count");
    counts.iter().filter(|(labels, _)| of_loop(labels)).map(|(_, value)| value).sum()
}

/// When the last first round of a slow loop had ended, in seconds since the process started. `None` while the
/// page does not tell. Rounds of `hot_path` go before the others', so that they were done by then.
pub fn first_rounds_done(page: &str) -> Option<f64> {
    let (_, start) = *values(page, "process_start_time_seconds").first()?;
    let slow = |labels: &&str| matches!(label(labels, "loop"), Some("workload" | "storage" | "hourly"));
    let begun = values(page, "pgmon_last_scrape_timestamp_seconds");
    let spent = values(page, "pgmon_scrape_duration_seconds_sum");
    let ends = begun.iter().filter(|(labels, _)| slow(labels)).map(|(labels, at)| {
        let same = |(other, _): &&(&str, f64)| {
            ["cluster", "db", "loop"].iter().all(|name| label(other, name) == label(labels, name))
        };
        at + spent.iter().find(same).map_or(0.0, |(_, seconds)| *seconds)
    });
    ends.reduce(f64::max).map(|end| end - start)
}
