//! Every configuration that this repository ships is valid.

use crate::agent::pgmon;
use anyhow::{Context as _, Result};
use pgmon_testkit::promtool;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Directories with examples and what is installed.
const SHIPPED: &[&str] = &["examples", "deploy"];

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// All files below a directory, if it is there.
fn files(dir: &Path, found: &mut Vec<PathBuf>) -> Result<()> {
    let Ok(entries) = std::fs::read_dir(dir) else { return Ok(()) };
    for entry in entries {
        let path = entry?.path();
        if path.is_dir() { files(&path, found)? } else { found.push(path) }
    }
    Ok(())
}

fn shipped(is_it: impl Fn(&str) -> bool) -> Result<Vec<PathBuf>> {
    let mut all = Vec::new();
    for dir in SHIPPED {
        files(&root().join(dir), &mut all)?;
    }
    all.retain(|path| path.file_name().and_then(|n| n.to_str()).is_some_and(&is_it));
    all.sort();
    Ok(all)
}

/// A copy of a file's directory with the secrets that whoever uses it would bring.
fn beside(path: &Path) -> Result<(tempfile::TempDir, PathBuf)> {
    let (from, name) = (path.parent().context("no directory")?, path.file_name().context("no name")?);
    let copy = tempfile::tempdir()?;
    for entry in std::fs::read_dir(from)? {
        let entry = entry?;
        if entry.file_type()?.is_file() {
            std::fs::copy(entry.path(), copy.path().join(entry.file_name()))?;
        }
    }
    std::fs::write(copy.path().join("prometheus.key"), "0123456789abcdef0123456789abcdef\n")?;
    let file = copy.path().join(name);
    Ok((copy, file))
}

#[test]
fn every_configuration_of_pgmon_is_valid() -> Result<()> {
    let shipped =
        shipped(|name| name.starts_with("pgmon") && (name.ends_with(".yaml") || name.ends_with(".yml")))?;
    assert!(!shipped.is_empty());
    for path in shipped {
        let (_copy, file) = beside(&path)?;
        let mut command = pgmon();
        command.env("CLUB_PASSWORD", "secret").env("LEAGUE_PASSWORD", "secret");
        let output = command.arg("--config").arg(&file).arg("check-config").output()?;
        let said = String::from_utf8_lossy(&output.stderr) + String::from_utf8_lossy(&output.stdout);
        assert!(output.status.success(), "{}:\n{said}", path.display());
    }
    Ok(())
}

#[test]
fn every_configuration_of_prometheus_is_valid() -> Result<()> {
    let shipped = shipped(|name| name.starts_with("prometheus") && name.ends_with(".yml"))?;
    assert!(!shipped.is_empty());
    for path in shipped {
        let (_copy, file) = beside(&path)?;
        let output = Command::new(promtool()?).args(["check", "config"]).arg(&file).output()?;
        let said = String::from_utf8_lossy(&output.stderr) + String::from_utf8_lossy(&output.stdout);
        assert!(output.status.success(), "{}:\n{said}", path.display());
    }
    Ok(())
}
