//! Exit codes, the same for all subcommands.

use std::process::ExitCode;

/// How pgmon ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Code {
    /// All is well.
    Ok = 0,
    /// It could not do what it was told.
    Failed = 1,
    /// The command line or the configuration is wrong (clap uses 2 as well).
    Usage = 2,
    /// Every configured role can write.
    Refused = 3,
}

impl From<Code> for ExitCode {
    fn from(code: Code) -> Self {
        Self::from(code as u8)
    }
}
