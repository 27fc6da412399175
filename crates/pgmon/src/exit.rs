//! Exit codes, the same for all subcommands but `report`.

use std::process::ExitCode;

/// How pgmon ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Code {
    /// All is well.
    Ok,
    /// It could not do what it was told.
    Failed,
    /// The command line or the configuration is wrong (clap uses 2 as well).
    Usage,
    /// Every configured role can write.
    Refused,
    /// `report`: something is to be looked at, or cannot be told.
    Warn,
    /// `report`: something is to be looked at now.
    Crit,
    /// `report`: there is nothing to report on.
    Unusable,
}

impl Code {
    /// As the shell sees it. `report` has the numbers of monitoring plugins.
    const fn number(self) -> u8 {
        match self {
            Self::Ok => 0,
            Self::Failed | Self::Warn => 1,
            Self::Usage | Self::Crit => 2,
            Self::Refused | Self::Unusable => 3,
        }
    }
}

impl From<Code> for ExitCode {
    fn from(code: Code) -> Self {
        Self::from(code.number())
    }
}
