//! From YAML text to a [`Node`] that knows its lines.

use std::collections::HashMap;

use granit_parser::{Event, Parser, ScalarStyle, ScanError, Span as Range, Tag};

use crate::Diagnostic;
use crate::tree::{Data, Member, Node, Place, Style, join, read_scalar};

/// How deep lists and maps may be nested. The configuration needs four levels; the limit keeps every
/// walk over the tree off the end of the stack.
const DEEPEST: usize = 64;

/// How many values there may be, aliases written out. Stops texts that grow without bound from aliases
/// of aliases.
const MOST_NODES: usize = 200_000;

/// Reads one YAML document; an empty one is `Null`. `None` if it cannot be read; `faults` says why.
/// `place` makes a place of line and column.
pub(crate) fn parse(
    text: &str,
    place: &dyn Fn(usize, usize) -> Place,
    faults: &mut Vec<Diagnostic>,
) -> Option<Node> {
    let options = granit_parser::options! { emit_comments: false };
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let mut reader = Reader {
        events: Parser::new_from_str_with_options(text, options),
        place,
        anchors: HashMap::new(),
        nodes: 0,
        faults,
    };
    reader.stream().ok()
}

/// The text cannot be read any further; the fault has been noted.
struct Stop;

struct Reader<'t, I: Iterator<Item = Result<(Event<'t>, Range), ScanError>>> {
    events: I,
    place: &'t dyn Fn(usize, usize) -> Place,
    anchors: HashMap<usize, (Node, Size)>,
    nodes: usize,
    faults: &'t mut Vec<Diagnostic>,
}

/// How much there is below a node, itself included.
#[derive(Clone, Copy)]
struct Size {
    nodes: usize,
    height: usize,
}

impl Size {
    const ONE: Self = Self { nodes: 1, height: 1 };

    fn add(&mut self, child: Self) {
        self.nodes += child.nodes;
        self.height = self.height.max(child.height + 1);
    }
}

impl<'t, I: Iterator<Item = Result<(Event<'t>, Range), ScanError>>> Reader<'t, I> {
    fn at(&self, range: &Range) -> Place {
        (self.place)(range.start.line(), range.start.col() + 1)
    }

    fn stop<T>(&mut self, at: &Place, pointer: &str, message: impl Into<String>) -> Result<T, Stop> {
        self.faults.push(at.says(pointer, message));
        Err(Stop)
    }

    fn next(&mut self) -> Result<(Event<'t>, Range), Stop> {
        match self.events.next() {
            Some(Ok(next)) => Ok(next),
            Some(Err(error)) => {
                let at = (self.place)(error.marker().line(), error.marker().col() + 1);
                self.stop(&at, "", format!("invalid YAML: {}", error.info()))
            }
            None => self.stop(&Place::Nowhere, "", "invalid YAML: the text ends too early"),
        }
    }

    fn stream(&mut self) -> Result<Node, Stop> {
        let mut root = None;
        loop {
            let (event, range) = self.next()?;
            let at = self.at(&range);
            match event {
                Event::StreamEnd => return Ok(root.unwrap_or_else(|| Node::new(at, Data::Null))),
                Event::DocumentStart(..) if root.is_some() => {
                    return self.stop(&at, "", "a second document (---) begins here; write all in one");
                }
                Event::StreamStart | Event::DocumentStart(..) | Event::DocumentEnd => {}
                event => root = Some(self.node(event, &range, "", 1)?.0),
            }
        }
    }

    fn node(
        &mut self,
        event: Event<'t>,
        range: &Range,
        pointer: &str,
        depth: usize,
    ) -> Result<(Node, Size), Stop> {
        let at = self.at(range);
        self.nodes += 1;
        if self.nodes > MOST_NODES {
            return self.stop(&at, "", "too many values");
        }
        if depth > DEEPEST {
            return self.stop(&at, "", "lists and maps are nested too deep");
        }
        if event.tag().is_some_and(Tag::is_custom) {
            return self.stop(&at, pointer, "YAML tags are not supported");
        }
        let (data, anchor, size) = match event {
            Event::Alias(id) => return self.alias(id, &at, pointer, depth),
            Event::Scalar(text, style, anchor, tag) => {
                let text_tag =
                    tag.is_some_and(|tag| tag.core_suffix() == Some("str") || tag.suffix().is_empty());
                let data = match style {
                    ScalarStyle::Plain if !text_tag => {
                        read_scalar(&text).unwrap_or_else(|| Data::Text(text.into_owned(), Style::Exact))
                    }
                    _ => Data::Text(text.into_owned(), Style::Exact),
                };
                (data, anchor, Size::ONE)
            }
            Event::SequenceStart(_, anchor, _) => {
                let (data, size) = self.list(pointer, depth)?;
                (data, anchor, size)
            }
            Event::MappingStart(_, anchor, _) => {
                let (data, size) = self.map(pointer, depth)?;
                (data, anchor, size)
            }
            _ => return self.stop(&at, pointer, "invalid YAML: a value is missing"),
        };
        let node = Node::new(at, data);
        if anchor > 0 {
            self.anchors.insert(anchor, (node.clone(), size));
        }
        Ok((node, size))
    }

    fn alias(&mut self, id: usize, at: &Place, pointer: &str, depth: usize) -> Result<(Node, Size), Stop> {
        let Some((_, size)) = self.anchors.get(&id) else {
            return self.stop(at, pointer, "an alias (*) of an anchor (&) that is not complete before it");
        };
        let size = *size;
        self.nodes = self.nodes.saturating_add(size.nodes);
        if self.nodes > MOST_NODES || depth + size.height > DEEPEST {
            return self.stop(at, pointer, "aliases make the text too large");
        }
        match self.anchors.get(&id) {
            Some((node, _)) => Ok((node.clone(), size)),
            None => Err(Stop),
        }
    }

    fn list(&mut self, pointer: &str, depth: usize) -> Result<(Data, Size), Stop> {
        let (mut items, mut size) = (Vec::new(), Size::ONE);
        loop {
            let (event, range) = self.next()?;
            if matches!(event, Event::SequenceEnd) {
                return Ok((Data::List(items), size));
            }
            let (item, item_size) = self.node(event, &range, &join(pointer, items.len()), depth + 1)?;
            size.add(item_size);
            items.push(item);
        }
    }

    fn map(&mut self, pointer: &str, depth: usize) -> Result<(Data, Size), Stop> {
        let (mut members, mut size) = (Vec::<Member>::new(), Size::ONE);
        loop {
            let (event, range) = self.next()?;
            let at = self.at(&range);
            let key = match event {
                Event::MappingEnd => return Ok((Data::Map(members), size)),
                Event::Scalar(key, ..) => key.into_owned(),
                _ => return self.stop(&at, pointer, "a key must be a plain word"),
            };
            let (event, range) = self.next()?;
            let bare = range.start.index() == range.end.index() && matches!(event, Event::Scalar(..));
            let below = join(pointer, &key);
            let (node, node_size) = self.node(event, &range, &below, depth + 1)?;
            size.add(node_size);
            // The first one stays, so that the rest of the text is checked as well.
            match members.iter().find(|member| member.key == key) {
                Some(first) => {
                    let message = match (&first.at, &at) {
                        (Place::File { line, .. }, Place::File { .. }) => {
                            format!("the same key as on line {line}")
                        }
                        _ => "the same key twice".to_owned(),
                    };
                    let shown = if is_word(&key) && !bare { below } else { pointer.to_owned() };
                    self.faults.push(at.says(shown, message));
                }
                None => members.push(Member { key, at, node, bare }),
            }
        }
    }
}

/// Whether a key looks like one. Others are not repeated in messages: with a slip of the pen, a
/// connection string becomes a key.
pub(crate) fn is_word(key: &str) -> bool {
    let word = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-');
    !key.is_empty() && key.len() <= 64 && key.bytes().all(word)
}
