//! Variables of Alfred's sidecar, which checks one service: they make a service of that name.
//!
//! They are asked last, and only together: `SERVICE_NAME` alone is a common name.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::Number;

use crate::tree::{Data, Member, Node, Place, Style};

/// Its time limit, as the sidecar has it.
const TIMEOUT: u64 = 5;

/// Adds what the variables name, unless the configuration has services.
pub(crate) fn overlay(root: &mut Node, env: &BTreeMap<String, String>) {
    let var = |name: &str| env.get(name).map(|value| value.trim()).filter(|value| !value.is_empty());
    let Some(name) = var("SERVICE_NAME") else { return };
    if root.member("services").is_some() {
        return;
    }
    let mut services = Vec::new();
    if let Some(url) = var("SERVICE_URL") {
        let at = Place::Env(Arc::from("SERVICE_URL"));
        let mut keys = match var("CHECK_TYPE").unwrap_or("http") {
            "tcp" => {
                let bare = url.split_once("://").map_or(url, |(_, rest)| rest);
                let authority = bare.split('/').next().unwrap_or_default();
                let (host, port) = authority.rsplit_once(':').unwrap_or((authority, ""));
                let mut keys = vec![text(&at, "type", "tcp"), text(&at, "host", host)];
                keys.extend(port.parse::<u16>().ok().map(|port| number(&at, "port", u64::from(port))));
                keys
            }
            _ => {
                let statuses = Node::new(at.clone(), Data::List(vec![leaf(&at, "200-399")]));
                let health_path = var("HEALTH_PATH").unwrap_or("/health");
                vec![
                    text(&at, "type", "http"),
                    text(&at, "url", url.trim_end_matches('/')),
                    text(&at, "health_path", health_path),
                    Member { key: "expected_status".to_owned(), at: at.clone(), node: statuses, bare: false },
                ]
            }
        };
        keys.extend(times(env));
        services.push(section(&at, name, keys));
    }
    if let Some(dsn) = var("DB_POSTGRES_URL") {
        let at = Place::Env(Arc::from("DB_POSTGRES_URL"));
        let name = if services.is_empty() { name } else { "db-postgres" };
        let mut keys = vec![text(&at, "type", "postgres"), text(&at, "dsn", dsn)];
        keys.extend(times(env));
        services.push(section(&at, name, keys));
    }
    if let (Data::Map(members), Some(first)) = (&mut root.data, services.first()) {
        let at = first.at.clone();
        let node = Node::new(at.clone(), Data::Map(services));
        members.push(Member { key: "services".to_owned(), at, node, bare: false });
    }
}

/// `COLLECTION_INTERVAL`, in seconds.
fn times(env: &BTreeMap<String, String>) -> Vec<Member> {
    let seconds = env.get("COLLECTION_INTERVAL").and_then(|text| text.trim().parse::<u64>().ok());
    let at = Place::Env(Arc::from("COLLECTION_INTERVAL"));
    let seconds = seconds.filter(|seconds| *seconds > 0);
    let of = |seconds: u64| {
        let timeout = format!("{}s", seconds.min(TIMEOUT));
        vec![text(&at, "interval", &format!("{seconds}s")), text(&at, "timeout", &timeout)]
    };
    seconds.map(of).unwrap_or_default()
}

fn leaf(at: &Place, value: &str) -> Node {
    Node::new(at.clone(), Data::Text(value.to_owned(), Style::Exact))
}

fn text(at: &Place, key: &str, value: &str) -> Member {
    Member { key: key.to_owned(), at: at.clone(), node: leaf(at, value), bare: false }
}

fn number(at: &Place, key: &str, value: u64) -> Member {
    let node = Node::new(at.clone(), Data::Number(Number::from(value)));
    Member { key: key.to_owned(), at: at.clone(), node, bare: false }
}

fn section(at: &Place, key: &str, keys: Vec<Member>) -> Member {
    let node = Node::new(at.clone(), Data::Map(keys));
    Member { key: key.to_owned(), at: at.clone(), node, bare: false }
}
