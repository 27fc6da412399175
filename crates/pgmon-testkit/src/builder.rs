//! How a server is to be made.

use anyhow::Result;

use crate::{Major, Server};

/// Settings of a server to start; see [`Server::builder`].
#[derive(Debug, Clone)]
pub struct ServerBuilder {
    pub(crate) major: Major,
    pub(crate) settings: Vec<(String, String)>,
    pub(crate) initdb_args: Vec<String>,
    pub(crate) on_disk: bool,
}

impl ServerBuilder {
    pub(crate) fn new(major: Major) -> Self {
        let mut builder = Self { major, settings: Vec::new(), initdb_args: Vec::new(), on_disk: false };
        for (name, value) in [
            // Data that lives for seconds need not reach the disk.
            ("fsync", "off"),
            ("shared_buffers", "32MB"),
            ("huge_pages", "off"),
            // In the data directory, which is removed, also after a SIGKILL.
            ("dynamic_shared_memory_type", "mmap"),
            // The default on 12 and 13 is md5, which pgmon's TLS-less tests should not depend on.
            ("password_encryption", "scram-sha-256"),
            ("log_line_prefix", "%m [%p] %q%u@%d %a "),
        ] {
            builder = builder.setting(name, value);
        }
        // A replica that lost its link for a moment must find its way back without an archive.
        match major {
            Major(12) => builder.setting("wal_keep_segments", "8"),
            _ => builder.setting("wal_keep_size", "128MB"),
        }
    }

    /// Sets a parameter in `postgresql.conf`; the last one of a name counts.
    #[must_use]
    pub fn setting(mut self, name: impl Into<String>, value: impl ToString) -> Self {
        self.settings.push((name.into(), value.to_string()));
        self
    }

    /// Preloads `pg_stat_statements`; the extension is created per database.
    #[must_use]
    pub fn statements(self) -> Self {
        self.setting("shared_preload_libraries", "pg_stat_statements")
    }

    /// Hands an argument to `initdb`, such as `--data-checksums` or `--wal-segsize=1`.
    #[must_use]
    pub fn initdb_arg(mut self, arg: impl Into<String>) -> Self {
        self.initdb_args.push(arg.into());
        self
    }

    /// Puts the data on disk even if there is memory for it: for a server that lives long.
    #[must_use]
    pub fn on_disk(mut self) -> Self {
        self.on_disk = true;
        self
    }

    /// Starts the server; it accepts connections when this returns.
    pub async fn start(self) -> Result<Server> {
        Server::from_builder(self).await
    }
}
