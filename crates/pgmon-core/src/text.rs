//! The Prometheus text formats: the classic one (0.0.4) and OpenMetrics 1.0.

use crate::metric::{Desc, Kind, Sample, Value};
use std::fmt::Write as _;

/// Which text format.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Format {
    /// `text/plain; version=0.0.4`
    Text,
    /// `application/openmetrics-text; version=1.0.0`
    OpenMetrics,
}

impl Format {
    /// The value of `Content-Type`.
    pub const fn content_type(self) -> &'static str {
        match self {
            Self::Text => "text/plain; version=0.0.4; charset=utf-8",
            Self::OpenMetrics => "application/openmetrics-text; version=1.0.0; charset=utf-8",
        }
    }

    /// What a client's `Accept` asks for; the classic format unless OpenMetrics is preferred.
    ///
    /// Quality values count; a malformed one counts as 0.
    pub fn from_accept(accept: &str) -> Self {
        let mut best = (0.0_f32, Self::Text);
        for part in accept.split(',') {
            let mut fields = part.split(';').map(str::trim);
            let media = fields.next().unwrap_or_default();
            let mut quality = 1.0_f32;
            let mut version = "";
            for field in fields {
                if let Some(q) = field.strip_prefix("q=") {
                    quality = q.parse().unwrap_or(0.0);
                } else if let Some(v) = field.strip_prefix("version=") {
                    version = v.trim_matches('"');
                }
            }
            let format = match media {
                // 0.0.1 is a draft that Prometheus still lists; its rules are those of 1.0.
                "application/openmetrics-text" if matches!(version, "" | "0.0.1" | "1.0.0") => {
                    Self::OpenMetrics
                }
                "text/plain" | "*/*" | "text/*" => Self::Text,
                _ => continue,
            };
            if quality > best.0 {
                best = (quality, format);
            }
        }
        best.1
    }
}

/// Writes families; the caller gives each family once, with all its samples.
#[derive(Debug)]
pub struct Writer {
    format: Format,
    out: String,
    samples: usize,
    families: usize,
}

impl Writer {
    /// An empty page; `capacity` is the expected size in bytes.
    pub fn new(format: Format, capacity: usize) -> Self {
        Self { format, out: String::with_capacity(capacity), samples: 0, families: 0 }
    }

    /// Writes a family: HELP, TYPE, then `samples`, each with labels that come before its own.
    ///
    /// A family without samples leaves nothing behind.
    pub fn family<'a, L, I>(&mut self, desc: &Desc, samples: I)
    where
        L: AsRef<[(&'a str, &'a str)]>,
        I: IntoIterator<Item = (L, &'a Sample)>,
    {
        let mut samples = samples.into_iter().peekable();
        if samples.peek().is_none() {
            return;
        }
        self.families += 1;
        self.head(desc);
        for (before, sample) in samples {
            self.samples += 1;
            let before = before.as_ref();
            match &sample.value {
                Value::Number(v) => {
                    self.out.push_str(desc.name);
                    self.labels(before, desc.labels, &sample.labels, None);
                    self.out.push(' ');
                    push_number(&mut self.out, *v);
                    self.out.push('\n');
                }
                Value::Histogram(h) => {
                    let mut cumulative = 0;
                    for (i, count) in h.counts.iter().enumerate() {
                        cumulative += count;
                        let mut le = String::new();
                        match h.bounds.get(i) {
                            Some(bound) => push_bound(&mut le, *bound, self.format),
                            None => le.push_str("+Inf"),
                        }
                        self.out.push_str(desc.name);
                        self.out.push_str("_bucket");
                        self.labels(before, desc.labels, &sample.labels, Some(&le));
                        let _ = writeln!(self.out, " {cumulative}");
                    }
                    self.out.push_str(desc.name);
                    self.out.push_str("_sum");
                    self.labels(before, desc.labels, &sample.labels, None);
                    self.out.push(' ');
                    push_number(&mut self.out, h.sum);
                    self.out.push('\n');
                    self.out.push_str(desc.name);
                    self.out.push_str("_count");
                    self.labels(before, desc.labels, &sample.labels, None);
                    let _ = writeln!(self.out, " {cumulative}");
                }
            }
        }
    }

    /// Families and samples written so far.
    pub fn counts(&self) -> (usize, usize) {
        (self.families, self.samples)
    }

    /// The page.
    pub fn finish(mut self) -> String {
        if self.format == Format::OpenMetrics {
            self.out.push_str("# EOF\n");
        }
        self.out
    }

    fn head(&mut self, desc: &Desc) {
        // OpenMetrics names a counter's family without its suffix, and has no counters without one.
        let (name, kind) = match (self.format, desc.kind) {
            (Format::Text, Kind::Counter) => (desc.name, "counter"),
            (Format::OpenMetrics, Kind::Counter) => match desc.name.strip_suffix("_total") {
                Some(stem) => (stem, "counter"),
                None => (desc.name, "unknown"),
            },
            (_, Kind::Gauge) => (desc.name, "gauge"),
            (_, Kind::Histogram) => (desc.name, "histogram"),
        };
        self.out.push_str("# HELP ");
        self.out.push_str(name);
        self.out.push(' ');
        for c in desc.help.chars() {
            match c {
                '\\' => self.out.push_str("\\\\"),
                '\n' => self.out.push_str("\\n"),
                '"' if self.format == Format::OpenMetrics => self.out.push_str("\\\""),
                c => self.out.push(c),
            }
        }
        let _ = writeln!(self.out, "\n# TYPE {name} {kind}");
    }

    fn labels(&mut self, before: &[(&str, &str)], names: &[&str], values: &[Box<str>], le: Option<&str>) {
        let own = names.iter().copied().zip(values.iter().map(AsRef::as_ref));
        let all = before.iter().copied().chain(own).chain(le.map(|le| ("le", le)));
        let mut open = false;
        // An empty label is the same as none (data model); it is not written.
        for (name, value) in all.filter(|(_, v)| !v.is_empty()) {
            self.out.push(if open { ',' } else { '{' });
            open = true;
            self.out.push_str(name);
            self.out.push_str("=\"");
            push_escaped(&mut self.out, value);
            self.out.push('"');
        }
        if open {
            self.out.push('}');
        }
    }
}

fn push_escaped(out: &mut String, value: &str) {
    if !value.bytes().any(|b| matches!(b, b'"' | b'\\' | b'\n')) {
        out.push_str(value);
        return;
    }
    for c in value.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            c => out.push(c),
        }
    }
}

/// The shortest text that reads back as the same number; whole numbers without a fraction.
fn push_number(out: &mut String, v: f64) {
    if v.is_nan() {
        out.push_str("NaN");
    } else if v.is_infinite() {
        out.push_str(if v > 0.0 { "+Inf" } else { "-Inf" });
    } else if v == 0.0 {
        out.push('0');
    } else if v.fract() == 0.0 && v.abs() < 1e15 {
        #[allow(clippy::cast_possible_truncation, reason = "whole and below 2^53")]
        let whole = v as i64;
        out.push_str(itoa::Buffer::new().format(whole));
    } else {
        out.push_str(zmij::Buffer::new().format(v));
    }
}

fn push_bound(out: &mut String, v: f64, format: Format) {
    push_number(out, v);
    // OpenMetrics wants the canonical float: 1.0, not 1.
    if format == Format::OpenMetrics && v.fract() == 0.0 && v.abs() < 1e15 {
        out.push_str(".0");
    }
}

#[cfg(test)]
mod tests;
