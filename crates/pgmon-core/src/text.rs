//! The Prometheus text formats: the classic one (0.0.4) and OpenMetrics 1.0.

use crate::metric::{FamilyDesc, Histogram, Kind, Sample, Summary, Value};
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

/// What [`Writer::draining`] gives the page to, piece by piece.
pub type Drain<'w> = &'w mut dyn FnMut(&str);

/// Writes families; the caller gives each family once, with all its samples.
pub struct Writer<'w> {
    format: Format,
    /// Labels of every sample, and those of the family that is being written: `,name="value"` each.
    constant: Vec<(String, String)>,
    suffix: String,
    out: String,
    /// Where the page goes whenever so many bytes of it are written.
    drain: Option<(usize, Drain<'w>)>,
    samples: usize,
    families: usize,
}

impl<'w> Writer<'w> {
    /// An empty page; `capacity` is the expected size in bytes.
    pub fn new(format: Format, capacity: usize) -> Self {
        let out = String::with_capacity(capacity);
        let (constant, suffix) = (Vec::new(), String::new());
        Self { format, constant, suffix, out, drain: None, samples: 0, families: 0 }
    }

    /// A page that is never whole in memory: pieces of about `piece` bytes are given away as they are ready.
    pub fn draining(format: Format, piece: usize, drain: Drain<'w>) -> Self {
        // A line is longer than that only if a label is.
        let mut writer = Self::new(format, piece + piece / 8);
        writer.drain = Some((piece, drain));
        writer
    }

    /// Gives every sample these labels as well, unless its family has a label of the same name. Empty
    /// values are left out.
    pub fn with_labels(mut self, labels: &[(String, String)]) -> Self {
        self.constant = labels.iter().filter(|(_, value)| !value.is_empty()).cloned().collect();
        self
    }

    /// Writes a family: HELP, TYPE, then `samples`, each with labels that come before its own.
    ///
    /// A family without samples leaves nothing behind.
    pub fn family<'a, L, I>(&mut self, desc: &FamilyDesc, samples: I)
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
        self.suffix.clear();
        for (name, value) in &self.constant {
            if !desc.labels().any(|label| label == name) {
                let _ = write!(self.suffix, ",{name}=\"");
                push_escaped(&mut self.suffix, value);
                self.suffix.push('"');
            }
        }
        for (before, sample) in samples {
            self.samples += 1;
            let line = Line { desc, before: before.as_ref(), values: &sample.labels };
            match &sample.value {
                Value::Number(v) => self.number(line, "", None, *v),
                Value::Histogram(h) => self.histogram(line, h),
                Value::Summary(s) => self.summary(line, s),
            }
            self.give(false);
        }
    }

    /// Gives away what is written, if there is enough of it or it is the last.
    fn give(&mut self, last: bool) {
        if let Some((piece, drain)) = &mut self.drain
            && (last || self.out.len() >= *piece)
        {
            drain(&self.out);
            self.out.clear();
        }
    }

    fn histogram(&mut self, line: Line<'_>, h: &Histogram) {
        let mut cumulative = 0;
        for (i, count) in h.counts.iter().enumerate() {
            cumulative += count;
            let le = match h.bounds.get(i) {
                Some(bound) => bound_text(*bound, self.format),
                None => "+Inf".to_owned(),
            };
            self.count(line, "_bucket", Some(("le", &le)), cumulative);
        }
        // OpenMetrics has a sum only of what cannot be negative, and a count only beside a sum.
        let falling = h.bounds.first().is_some_and(|bound| *bound < 0.0);
        let sum = h.sum.filter(|_| self.format == Format::Text || !falling);
        if let Some(sum) = sum {
            self.number(line, "_sum", None, sum);
        }
        if sum.is_some() || self.format == Format::Text {
            self.count(line, "_count", None, cumulative);
        }
    }

    fn summary(&mut self, line: Line<'_>, s: &Summary) {
        for (quantile, value) in &s.quantiles {
            let quantile = bound_text(*quantile, self.format);
            self.number(line, "", Some(("quantile", &quantile)), *value);
        }
        if let Some(sum) = s.sum {
            self.number(line, "_sum", None, sum);
        }
        if let Some(count) = s.count {
            self.count(line, "_count", None, count);
        }
    }

    fn number(&mut self, line: Line<'_>, suffix: &str, last: Option<(&str, &str)>, value: f64) {
        self.series(line, suffix, last);
        push_number(&mut self.out, value);
        self.out.push('\n');
    }

    fn count(&mut self, line: Line<'_>, suffix: &str, last: Option<(&str, &str)>, value: u64) {
        self.series(line, suffix, last);
        self.out.push_str(itoa::Buffer::new().format(value));
        self.out.push('\n');
    }

    /// Families and samples written so far.
    pub fn counts(&self) -> (usize, usize) {
        (self.families, self.samples)
    }

    /// The page; nothing of it if it was given away.
    pub fn finish(mut self) -> String {
        if self.format == Format::OpenMetrics {
            self.out.push_str("# EOF\n");
        }
        self.give(true);
        self.out
    }

    fn head(&mut self, desc: &FamilyDesc) {
        let own = desc.name();
        // OpenMetrics names a counter's family without its suffix, and has no counters without one: such a
        // counter is of an unknown type there, so that its name is the same in both formats.
        let (name, kind) = match (self.format, desc.kind()) {
            (Format::Text, Kind::Counter) => (own, "counter"),
            (Format::OpenMetrics, Kind::Counter) => match own.strip_suffix("_total") {
                Some(stem) => (stem, "counter"),
                None => (own, "unknown"),
            },
            (_, Kind::Gauge) => (own, "gauge"),
            (_, Kind::Histogram) => (own, "histogram"),
            (_, Kind::Summary) => (own, "summary"),
        };
        self.out.push_str("# HELP ");
        self.out.push_str(name);
        self.out.push(' ');
        for c in desc.help().chars() {
            match c {
                '\\' => self.out.push_str("\\\\"),
                '\n' => self.out.push_str("\\n"),
                '"' if self.format == Format::OpenMetrics => self.out.push_str("\\\""),
                c => self.out.push(c),
            }
        }
        let _ = writeln!(self.out, "\n# TYPE {name} {kind}");
    }

    /// Writes a line up to its value.
    fn series(&mut self, line: Line<'_>, suffix: &str, last: Option<(&str, &str)>) {
        self.out.push_str(line.desc.name());
        self.out.push_str(suffix);
        let own = line.desc.labels().zip(line.values.iter().map(AsRef::as_ref));
        let all = line.before.iter().copied().chain(own).chain(last);
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
        if let Some(alone) = self.suffix.strip_prefix(',') {
            self.out.push_str(if open { &self.suffix } else { "{" });
            if !open {
                self.out.push_str(alone);
                open = true;
            }
        }
        self.out.push_str(if open { "} " } else { " " });
    }
}

/// What the lines of a sample have in common.
#[derive(Clone, Copy)]
struct Line<'l> {
    desc: &'l FamilyDesc,
    before: &'l [(&'l str, &'l str)],
    values: &'l [Box<str>],
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

fn bound_text(v: f64, format: Format) -> String {
    let mut text = String::new();
    push_number(&mut text, v);
    // OpenMetrics wants the canonical float: 1.0, not 1.
    if format == Format::OpenMetrics && v.fract() == 0.0 && v.abs() < 1e15 {
        text.push_str(".0");
    }
    text
}

#[cfg(test)]
mod tests;
