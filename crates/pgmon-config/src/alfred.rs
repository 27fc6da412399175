//! Variables of Alfred's sidecar, which checks one service: they make a service of that name.
//!
//! They are asked last, and only together: `SERVICE_NAME` alone is a common name.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::Number;

use crate::Diagnostic;
use crate::tree::{Data, Member, Node, Place, Style, join};

/// Its time limit, as the sidecar has it.
const TIMEOUT: u64 = 5;

/// Adds what the variables name, unless the configuration has services.
pub(crate) fn overlay(root: &mut Node, env: &BTreeMap<String, String>, faults: &mut Vec<Diagnostic>) {
    let var = |name: &str| env.get(name).map(|value| value.trim()).filter(|value| !value.is_empty());
    let Some(name) = var("SERVICE_NAME") else { return };
    if root.member("services").is_some() {
        return;
    }
    let mut services = Vec::new();
    let mut fault = |variable_name: &str, message: String| {
        faults.push(variable(variable_name).says(join("/services", name), message));
    };
    if let Some(url) = var("SERVICE_URL") {
        let at = variable("SERVICE_URL");
        let keys = match var("CHECK_TYPE").unwrap_or("http") {
            "tcp" => tcp(&at, url),
            "http" => http(&at, url, var("HEALTH_PATH").unwrap_or("/health")),
            _ => Err(("CHECK_TYPE", "must be http or tcp".to_owned())),
        };
        let keys = keys.unwrap_or_else(|(variable, message)| {
            fault(variable, message);
            // It is meant: nobody needs to be told that there is nothing to watch.
            vec![text(&at, "type", "http")]
        });
        services.push((name, at, keys));
    }
    if let Some(dsn) = var("DB_POSTGRES_URL") {
        let at = variable("DB_POSTGRES_URL");
        let name = if var("SERVICE_URL").is_none() { name } else { "db-postgres" };
        let keys = vec![text(&at, "type", "postgres"), text(&at, "dsn", dsn)];
        services.push((name, at, keys));
    }
    let Some((_, first, _)) = services.first() else { return };
    let (first, mut members) = (first.clone(), Vec::new());
    let times = var("COLLECTION_INTERVAL").map(times).transpose().unwrap_or_else(|message| {
        fault("COLLECTION_INTERVAL", message);
        None
    });
    let times = times.unwrap_or_default();
    for (name, at, mut keys) in services {
        keys.extend(times.iter().cloned());
        keys.push(critical(&at));
        members.push(section(&at, name, keys));
    }
    if let Data::Map(sections) = &mut root.data {
        let node = Node::new(first.clone(), Data::Map(members));
        sections.push(Member { key: "services".to_owned(), at: first, node, bare: false });
    }
}

/// The keys of a service, or a variable and what is wrong with it.
type Keys = Result<Vec<Member>, (&'static str, String)>;

fn tcp(at: &Place, url: &str) -> Keys {
    let bare = url.split_once("://").map_or(url, |(_, rest)| rest);
    let authority = bare.split('/').next().unwrap_or_default();
    let port = authority.rsplit_once(':').and_then(|(host, port)| Some((host, port.parse::<u16>().ok()?)));
    let Some((host, port)) = port else {
        return Err((
            "SERVICE_URL",
            "needs a host and a port for CHECK_TYPE=tcp: http://db-realtime:4000".to_owned(),
        ));
    };
    Ok(vec![text(at, "type", "tcp"), text(at, "host", host), number(at, "port", u64::from(port))])
}

/// The sidecar puts the one behind the other, whatever path the URL has.
fn http(at: &Place, url: &str, health_path: &str) -> Keys {
    if !health_path.starts_with('/') {
        return Err(("HEALTH_PATH", "must begin with a slash: /health".to_owned()));
    }
    let url = format!("{}{health_path}", url.trim_end_matches('/'));
    let statuses = Node::new(at.clone(), Data::List(vec![leaf(at, "200-399")]));
    Ok(vec![
        text(at, "type", "http"),
        text(at, "url", &url),
        Member { key: "expected_status".to_owned(), at: at.clone(), node: statuses, bare: false },
    ])
}

/// `COLLECTION_INTERVAL`, in seconds.
fn times(value: &str) -> Result<Vec<Member>, String> {
    let seconds = value.parse::<u64>().ok().filter(|seconds| *seconds > 0);
    let seconds = seconds.ok_or_else(|| "must be whole seconds, at least 1: 15".to_owned())?;
    let at = variable("COLLECTION_INTERVAL");
    let timeout = format!("{}s", seconds.min(TIMEOUT));
    Ok(vec![text(&at, "interval", &format!("{seconds}s")), text(&at, "timeout", &timeout)])
}

fn variable(name: &str) -> Place {
    Place::Env(Arc::from(name))
}

/// The sidecar's `/health` is its service's: what fails it is an error there.
fn critical(at: &Place) -> Member {
    let node = Node::new(at.clone(), Data::Bool(true));
    Member { key: "critical".to_owned(), at: at.clone(), node, bare: false }
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
