//! The shipped rule files, by Prometheus' own tool.

use anyhow::Result;
use pgmon_testkit::promtool;
use std::path::{Path, PathBuf};
use std::process::Command;

fn files(below: &str) -> Vec<PathBuf> {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../deploy/prometheus/rules").join(below);
    let files = std::fs::read_dir(directory).into_iter().flatten().flatten().map(|entry| entry.path());
    files.filter(|path| path.extension().is_some_and(|e| e == "yml")).collect()
}

fn promtool_says(words: [&str; 2], path: &Path) -> Result<()> {
    let output = Command::new(promtool()?)
        .args(words)
        .arg(path.file_name().unwrap())
        .current_dir(path.parent().unwrap())
        .output()?;
    let said = String::from_utf8_lossy(&output.stdout) + String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{}: {said}", path.display());
    Ok(())
}

#[test]
fn every_rule_file_is_valid_and_its_tests_pass() -> Result<()> {
    assert!(!files("").is_empty() && !files("tests").is_empty());
    for file in files("") {
        promtool_says(["check", "rules"], &file)?;
    }
    for file in files("tests") {
        promtool_says(["test", "rules"], &file)?;
    }
    Ok(())
}

#[test]
fn rules_on_clusters_ask_for_families_that_there_are() {
    let text = std::fs::read_to_string(files("").into_iter().find(|f| f.ends_with("clusters.yml")).unwrap())
        .unwrap();
    let word = |c: char| !(c.is_ascii_alphanumeric() || c == '_');
    let asked: Vec<&str> =
        text.split(word).filter(|w| w.starts_with("pg_cluster_") || w.starts_with("manatee_")).collect();
    assert!(asked.len() > 10, "{asked:?}");
    for name in asked {
        assert!(pgmon_core::cluster::FAMILIES.iter().any(|family| family.name == name), "{name}");
    }
}
