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
