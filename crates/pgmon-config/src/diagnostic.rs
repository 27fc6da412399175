//! What is wrong with a configuration, and where.

use std::fmt;

/// One fault or warning: where it is, what it is, what to do.
///
/// Printed as `pgmon.yaml:12:3: sample_intervals.hot_pth: unknown key; did you mean hot_path?`. No
/// message repeats a value from the configuration, as it may be a secret in the wrong place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Diagnostic {
    /// Where it was read: the file's path, the environment variable or the option of the command line.
    pub file: String,
    /// The line in the file (from 1); `None` outside of files.
    pub line: Option<usize>,
    /// The column in the line (characters, from 1); `None` outside of files.
    pub column: Option<usize>,
    /// The key as a JSON Pointer, such as `/databases/0/dsn`; empty for the whole.
    pub pointer: String,
    /// What is wrong.
    pub message: String,
    /// What to do about it.
    pub hint: Option<String>,
}

impl Diagnostic {
    /// The key as people write it, such as `databases[0].dsn`.
    pub fn key(&self) -> String {
        let mut key = String::new();
        for step in self.pointer.split('/').skip(1) {
            let step = step.replace("~1", "/").replace("~0", "~");
            if !step.is_empty() && step.bytes().all(|b| b.is_ascii_digit()) {
                key.push_str(&format!("[{step}]"));
            } else {
                if !key.is_empty() {
                    key.push('.');
                }
                key.push_str(&step);
            }
        }
        key
    }
}

impl Diagnostic {
    /// What to do about it: the hint, else what the message itself says to do.
    pub fn mend(&self) -> String {
        let message = self.message.as_str();
        if let Some(hint) = &self.hint {
            return hint.clone();
        }
        if let Some((_, mend)) = message.split_once("; ") {
            return mend.to_owned();
        }
        let key = if self.pointer.is_empty() { "it".to_owned() } else { self.key() };
        if let Some(wanted) = message.strip_prefix("expected ") {
            let wanted = wanted.split(", found ").next().unwrap_or(wanted);
            return format!("set {key} to {wanted}");
        }
        if message.starts_with("must ") {
            return format!("change {key}: it {message}");
        }
        if let Some(missing) = message.strip_suffix(" is missing") {
            return format!("add {missing}");
        }
        if message.starts_with("cannot read ") {
            return "name a file that pgmon may read, or leave the key out".to_owned();
        }
        if message.starts_with("invalid YAML") || message.starts_with("invalid JSON") {
            return "mend the text at this line and column".to_owned();
        }
        format!("change or remove {key}")
    }

    /// Whether one of the two may merely follow from the other: they are about the same place, or one is about
    /// a part of the other's.
    pub fn touches(&self, other: &Self) -> bool {
        let within = |a: &str, b: &str| {
            !b.is_empty() && a.strip_prefix(b).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
        };
        self.file == other.file
            && (within(&self.pointer, &other.pointer) || within(&other.pointer, &self.pointer))
    }
}

impl fmt::Display for Diagnostic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.file.is_empty() {
            f.write_str(&self.file)?;
            if let Some(line) = self.line {
                write!(f, ":{line}")?;
                if let Some(column) = self.column {
                    write!(f, ":{column}")?;
                }
            }
            f.write_str(": ")?;
        }
        let key = self.key();
        if !key.is_empty() {
            write!(f, "{key}: ")?;
        }
        f.write_str(&self.message)?;
        if let Some(hint) = &self.hint {
            write!(f, "; {hint}")?;
        }
        Ok(())
    }
}

/// Everything that is wrong with a configuration. Never empty.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub struct ConfigErrors(pub(crate) Vec<Diagnostic>);

impl ConfigErrors {
    /// The faults, in the order of their lines.
    pub fn diagnostics(&self) -> &[Diagnostic] {
        &self.0
    }
}

impl fmt::Display for ConfigErrors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (n, diagnostic) in self.0.iter().enumerate() {
            if n > 0 {
                f.write_str("\n")?;
            }
            diagnostic.fmt(f)?;
        }
        Ok(())
    }
}
