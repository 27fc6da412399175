//! The report for programs: the API's answers, unchanged.

use super::Renderer;
use super::content::{Database, Head};
use serde_json::{Map, Value, json};

/// Writes JSON, database by database.
pub struct Json {
    out: String,
    databases: usize,
}

impl Json {
    /// Begins the report.
    pub fn new(head: &Head) -> anyhow::Result<Self> {
        let fleet = serde_json::to_string(&head.answer)?;
        let (version, at) = (json!(crate::cli::VERSION), json!(head.at));
        let out = format!("{{\"pgmon_version\":{version},\"as_of\":{at},\"fleet\":{fleet},\"databases\":[");
        Ok(Self { out, databases: 0 })
    }
}

impl Renderer for Json {
    fn database(&mut self, database: &Database) -> anyhow::Result<()> {
        let parts = database.parts.iter().map(|part| {
            let pages: Map<String, Value> =
                part.pages.iter().map(|page| (page.name.to_owned(), page.answer.clone())).collect();
            json!({ "datname": part.datname, "pages": pages })
        });
        let mut parts: Vec<Value> = parts.collect();
        let own = if parts.is_empty() { Value::Null } else { parts.remove(0) };
        let value = json!({
            "cluster": database.target.cluster,
            "db": database.target.db,
            "level": database.level,
            "missing": database.missing,
            "pages": own.get("pages"),
            "queries": database.queries,
            "visited": parts,
        });
        if self.databases > 0 {
            self.out.push(',');
        }
        self.out.push('\n');
        self.out.push_str(&serde_json::to_string(&value)?);
        self.databases += 1;
        Ok(())
    }

    fn finish(self: Box<Self>) -> anyhow::Result<String> {
        Ok(self.out + "\n]}\n")
    }
}
