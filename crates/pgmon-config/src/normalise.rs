//! Brings a tree into the form that the schema describes: aliases, nulls, types of variables, paths.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use serde_json::Number;

use crate::Diagnostic;
use crate::schema::Shape;
use crate::tree::{Data, Member, Node, Place, Style, join, read_scalar};

/// Keys that were written by another name: the place, and both names. What is said of them is said by the name
/// that is in the file.
#[derive(Default)]
pub(crate) struct Renamed(BTreeMap<(Arc<str>, usize, usize), (String, String)>);

impl Renamed {
    fn note(&mut self, at: &Place, name: &str, alias: &str) {
        if let Place::File { file, line, column } = at {
            self.0.insert((file.clone(), *line, *column), (name.to_owned(), alias.to_owned()));
        }
    }

    /// Gives a diagnostic's key the name that it has in the file.
    pub(crate) fn restore(&self, diagnostic: &mut Diagnostic) {
        let (Some(line), Some(column)) = (diagnostic.line, diagnostic.column) else { return };
        let place = (Arc::from(diagnostic.file.as_str()), line, column);
        if let Some((name, alias)) = self.0.get(&place)
            && let Some(before) = diagnostic.pointer.strip_suffix(&join("", name))
        {
            diagnostic.pointer = join(before, alias);
        }
    }
}

/// Gives keys that were written by another name their own.
pub(crate) fn rename_aliases(
    node: &mut Node,
    shape: Shape<'_>,
    pointer: &str,
    renamed: &mut Renamed,
    faults: &mut Vec<Diagnostic>,
) {
    match &mut node.data {
        Data::Map(members) => {
            for (name, property) in shape.properties() {
                for alias in property.aliases() {
                    let taken = members.iter().any(|member| member.key == name);
                    let Some(member) = members.iter_mut().find(|member| member.key == alias) else {
                        continue;
                    };
                    if taken {
                        let message = format!("the same as {name}, which is set as well");
                        faults.push(member.at.says(join(pointer, alias), message));
                    }
                    renamed.note(&member.at, name, alias);
                    renamed.note(&member.node.at, name, alias);
                    member.key = name.to_owned();
                }
                if let Some(member) = members.iter_mut().find(|member| member.key == name) {
                    rename_aliases(&mut member.node, property, &join(pointer, name), renamed, faults);
                }
            }
            if let Some(shape) = shape.sections() {
                for member in members {
                    rename_aliases(&mut member.node, shape, &join(pointer, &member.key), renamed, faults);
                }
            }
        }
        Data::List(items) => {
            let Some(shape) = shape.items() else { return };
            for (n, item) in items.iter_mut().enumerate() {
                rename_aliases(item, shape, &join(pointer, n), renamed, faults);
            }
        }
        _ => {}
    }
}

/// Makes a section of every text that may stand for one: of an API key `{key: ...}`.
pub(crate) fn expand_short(node: &mut Node, shape: Shape<'_>) {
    if let (Data::Text(..), Some(key)) = (&node.data, shape.short()) {
        let at = node.at.clone();
        let text = std::mem::replace(node, Node::new(at.clone(), Data::Null));
        let member = Member { key: key.to_owned(), at, node: text, bare: false };
        node.data = Data::Map(vec![member]);
        return;
    }
    match &mut node.data {
        Data::Map(members) => {
            for member in members {
                if let Some(shape) = shape.key(&member.key) {
                    expand_short(&mut member.node, shape);
                }
            }
        }
        Data::List(items) => {
            let Some(shape) = shape.items() else { return };
            items.iter_mut().for_each(|item| expand_short(item, shape));
        }
        _ => {}
    }
}

/// Drops known keys without a value, since those mean the default; reads what came from a variable as
/// the type that its key wants; and starts relative paths of the file at `directory`.
pub(crate) fn fit(node: &mut Node, shape: Shape<'_>, directory: Option<&Path>) {
    match &mut node.data {
        Data::Map(members) => {
            members.retain(|m| !matches!(m.node.data, Data::Null) || shape.property(&m.key).is_none());
            for member in members {
                if let Some(shape) = shape.key(&member.key) {
                    fit(&mut member.node, shape, directory);
                }
            }
        }
        Data::List(items) => {
            let Some(shape) = shape.items() else { return };
            items.iter_mut().for_each(|item| fit(item, shape, directory));
        }
        Data::Text(text, Style::Loose) if !shape.takes("string") && shape.words().is_empty() => {
            if let Some(data) = read_scalar(text.trim()) {
                node.data = data;
                whole(node, shape);
            }
        }
        Data::Text(text, _) if shape.format() == Some("path") => {
            if let (Place::File { .. }, Some(directory)) = (&node.at, directory)
                && !text.is_empty()
                && let Some(joined) = directory.join(&*text).to_str()
            {
                *text = joined.to_owned();
            }
        }
        Data::Number(_) => whole(node, shape),
        _ => {}
    }
}

/// JSON Schema takes 50.0 for an integer, serde does not.
fn whole(node: &mut Node, shape: Shape<'_>) {
    let Data::Number(number) = &mut node.data else { return };
    if !number.is_f64() || shape.takes("number") || !shape.takes("integer") {
        return;
    }
    if let Some(float) = number.as_f64()
        && float.fract() == 0.0
        && let Ok(integer) = format!("{float:.0}").parse::<i64>()
    {
        *number = Number::from(integer);
    }
}

/// Warnings for the keys that are set and deprecated.
pub(crate) fn deprecated(node: &Node, shape: Shape<'_>, pointer: &str, warnings: &mut Vec<Diagnostic>) {
    match &node.data {
        Data::Map(members) => {
            for member in members {
                let Some(shape) = shape.key(&member.key) else { continue };
                let pointer = join(pointer, &member.key);
                if shape.is("deprecated") {
                    let text = shape.description().trim_end_matches('.').to_owned();
                    warnings.push(member.at.says(pointer, text.replacen('D', "d", 1)));
                } else {
                    deprecated(&member.node, shape, &pointer, warnings);
                }
            }
        }
        Data::List(items) => {
            let Some(shape) = shape.items() else { return };
            for (n, item) in items.iter().enumerate() {
                deprecated(item, shape, &join(pointer, n), warnings);
            }
        }
        _ => {}
    }
}
