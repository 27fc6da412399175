//! A page of `/metrics`, read by the rules of the text format.

use std::collections::{BTreeMap, BTreeSet};

/// A well-formed page.
pub struct Page {
    pub text: String,
    pub samples: Vec<Sample>,
}

/// One line.
#[derive(Debug, Clone)]
pub struct Sample {
    pub name: String,
    pub labels: BTreeMap<String, String>,
    pub value: f64,
}

impl Sample {
    pub fn label(&self, name: &str) -> Option<&str> {
        self.labels.get(name).map(String::as_str)
    }
}

impl Page {
    /// Reads a page; panics where it breaks a rule that makes Prometheus refuse a scrape.
    pub fn parse(text: &str) -> Self {
        let mut samples = Vec::new();
        let mut typed = BTreeSet::new();
        let mut series = BTreeSet::new();
        for line in text.lines() {
            if let Some(rest) = line.strip_prefix("# TYPE ") {
                let name = rest.split(' ').next().unwrap();
                assert!(typed.insert(name.to_owned()), "{name} has two TYPE lines");
            } else if !line.starts_with('#') {
                let sample = parse_line(line);
                assert!(series.insert((sample.name.clone(), sample.labels.clone())), "twice: {line}");
                samples.push(sample);
            }
        }
        Self { text: text.to_owned(), samples }
    }

    /// All samples of a name.
    pub fn all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a Sample> {
        self.samples.iter().filter(move |s| s.name == name)
    }

    /// The value of the one sample that has these labels among its own.
    pub fn value(&self, name: &str, labels: &[(&str, &str)]) -> Option<f64> {
        let mut found = self.all(name).filter(|s| labels.iter().all(|(n, v)| s.label(n) == Some(v)));
        let value = found.next().map(|s| s.value);
        assert!(found.next().is_none(), "{name}{labels:?} is more than one series");
        value
    }

    pub fn has(&self, name: &str) -> bool {
        self.all(name).next().is_some()
    }
}

fn parse_line(line: &str) -> Sample {
    let end = line.find(['{', ' ']).unwrap_or_else(|| panic!("no value: {line}"));
    let name = line[..end].to_owned();
    let mut labels = BTreeMap::new();
    let mut rest = &line[end..];
    if let Some(inner) = rest.strip_prefix('{') {
        rest = inner;
        loop {
            let (label, after) = rest.split_once("=\"").unwrap_or_else(|| panic!("no label: {line}"));
            let mut value = String::new();
            let mut chars = after.char_indices();
            let close = loop {
                match chars.next().unwrap_or_else(|| panic!("open quote: {line}")) {
                    (_, '\\') => match chars.next().unwrap().1 {
                        'n' => value.push('\n'),
                        c => value.push(c),
                    },
                    (at, '"') => break at,
                    (_, c) => value.push(c),
                }
            };
            labels.insert(label.to_owned(), value);
            rest = &after[close + 1..];
            match rest.strip_prefix(',') {
                Some(next) => rest = next,
                None => break,
            }
        }
        rest = rest.strip_prefix('}').unwrap_or_else(|| panic!("no end of labels: {line}"));
    }
    let value = rest.trim().parse().unwrap_or_else(|_| panic!("no number: {line}"));
    Sample { name, labels, value }
}
