//! Variables of SitRep's that have no `PGMON_` of their own.
//!
//! They are asked last: whatever the command line, a `PGMON_` variable or the file says comes first.

use std::collections::BTreeMap;

use crate::Diagnostic;
use crate::env::set_key;
use crate::schema::Shape;
use crate::tree::{Data, Member, Node, Place, Style};

/// SitRep's key, and the name of the key made from it.
const KEY: &str = "EXPORTER_API_KEY";

/// SitRep's ports: the one that it documents, and the one that it reads.
const PORTS: [&str; 2] = ["EXPORTER_PORT", "PORT"];

/// Fills in what is not set yet.
pub(crate) fn overlay(
    root: &mut Node,
    shape: Shape<'_>,
    env: &BTreeMap<String, String>,
    faults: &mut Vec<Diagnostic>,
) {
    let var = |name: &str| env.get(name).filter(|value| !value.is_empty());
    if let Some(key) = var(KEY)
        && !is_set(root, &["http", "auth", "api_keys"])
    {
        let at = Place::Env(KEY.into());
        let member = |name: &str, text: &str| {
            let node = Node::new(at.clone(), Data::Text(text.to_owned(), Style::Exact));
            Member { key: name.to_owned(), at: at.clone(), node, bare: false }
        };
        let entry = Node::new(at.clone(), Data::Map(vec![member("name", KEY), member("key", key)]));
        let list = Node::new(at.clone(), Data::List(vec![entry]));
        set_key(root, shape, &["http", "auth", "api_keys"], list, faults);
    }
    // `PORT` is a common name: what is no port is somebody else's.
    let port = PORTS.into_iter().find_map(|name| Some((name, var(name)?.trim().parse::<u16>().ok()?)));
    if let Some((name, port)) = port
        && !is_set(root, &["http", "bind"])
    {
        let bind = Data::Text(format!("0.0.0.0:{port}"), Style::Exact);
        set_key(root, shape, &["http", "bind"], Node::new(Place::Env(name.into()), bind), faults);
    }
}

fn is_set(root: &Node, path: &[&str]) -> bool {
    let mut node = root;
    for key in path {
        match node.member(key) {
            Some(member) => node = &member.node,
            None => return false,
        }
    }
    !matches!(node.data, Data::Null)
}
