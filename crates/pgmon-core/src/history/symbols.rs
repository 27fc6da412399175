//! Texts that many series share, each kept once.

use super::held::held;
use hashbrown::HashTable;
use std::hash::{BuildHasher as _, RandomState};

/// A text that is kept.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct Symbol(u32);

/// The texts, with how often each is in use.
#[derive(Debug, Default)]
pub(super) struct Symbols {
    texts: Vec<Text>,
    free: Vec<u32>,
    index: HashTable<u32>,
    hasher: RandomState,
    /// Bytes of the texts themselves.
    text_bytes: usize,
}

#[derive(Debug, Default)]
struct Text {
    text: Box<str>,
    uses: u32,
}

impl Symbols {
    /// The symbol of a text that is in use.
    pub(super) fn find(&self, text: &str) -> Option<Symbol> {
        let hash = self.hasher.hash_one(text);
        let same = |place: &u32| self.at(*place).is_some_and(|t| &*t.text == text);
        self.index.find(hash, same).copied().map(Symbol)
    }

    /// The symbol of a text; one more use of it, to be given back with [`Self::release`].
    pub(super) fn take(&mut self, text: &str) -> Symbol {
        if let Some(known) = self.find(text) {
            if let Some(kept) = self.at_mut(known.0) {
                kept.uses += 1;
            }
            return known;
        }
        let kept = Text { text: text.into(), uses: 1 };
        self.text_bytes += held(text.len());
        let place = match self.free.pop() {
            Some(place) => {
                if let Some(slot) = self.at_mut(place) {
                    *slot = kept;
                }
                place
            }
            None => {
                self.texts.push(kept);
                // Four thousand million texts do not fit into any memory that is given to it.
                u32::try_from(self.texts.len() - 1).unwrap_or(u32::MAX)
            }
        };
        let Self { texts, index, hasher, .. } = self;
        index.insert_unique(hasher.hash_one(text), place, |p| hasher.hash_one(text_at(texts, *p)));
        Symbol(place)
    }

    /// One use less; a text that nobody uses goes.
    pub(super) fn release(&mut self, symbol: Symbol) {
        let Some(kept) = self.at_mut(symbol.0) else { return };
        kept.uses = kept.uses.saturating_sub(1);
        if kept.uses > 0 {
            return;
        }
        let text = std::mem::take(&mut kept.text);
        let hash = self.hasher.hash_one(&*text);
        if let Ok(entry) = self.index.find_entry(hash, |place| *place == symbol.0) {
            entry.remove();
        }
        self.text_bytes -= held(text.len());
        self.free.push(symbol.0);
    }

    /// Gives back memory that no text needs.
    pub(super) fn shrink(&mut self) {
        while self.texts.last().is_some_and(|t| t.uses == 0) {
            self.texts.pop();
        }
        let len = u32::try_from(self.texts.len()).unwrap_or(u32::MAX);
        self.free.retain(|place| *place < len);
        self.texts.shrink_to_fit();
        self.free.shrink_to_fit();
        let Self { texts, index, hasher, .. } = self;
        index.shrink_to_fit(|p| hasher.hash_one(text_at(texts, *p)));
    }

    /// The text.
    pub(super) fn text(&self, symbol: Symbol) -> &str {
        text_at(&self.texts, symbol.0)
    }

    /// Bytes that it holds.
    pub(super) fn bytes(&self) -> usize {
        self.text_bytes
            + self.texts.capacity() * size_of::<Text>()
            + self.free.capacity() * size_of::<u32>()
            + self.index.allocation_size()
    }

    /// How many texts are kept.
    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.index.len()
    }

    fn at(&self, place: u32) -> Option<&Text> {
        self.texts.get(usize::try_from(place).ok()?)
    }

    fn at_mut(&mut self, place: u32) -> Option<&mut Text> {
        self.texts.get_mut(usize::try_from(place).ok()?)
    }
}

fn text_at(texts: &[Text], place: u32) -> &str {
    usize::try_from(place).ok().and_then(|p| texts.get(p)).map_or("", |t| &t.text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_is_kept_once_and_as_long_as_it_is_used() {
        let mut symbols = Symbols::default();
        let a = symbols.take("public.orders");
        let b = symbols.take("relation");
        assert_eq!(symbols.take("public.orders"), a);
        assert!(a != b && symbols.find("other").is_none());
        symbols.release(a);
        assert_eq!((symbols.text(a), symbols.len()), ("public.orders", 2));
        symbols.release(a);
        assert_eq!((symbols.find("public.orders"), symbols.len()), (None, 1));
        // Its place is used again, and the texts' bytes are those of the texts that are left.
        let c = symbols.take("c");
        assert_eq!((c, symbols.text(c), symbols.text(b)), (a, "c", "relation"));
        assert_eq!(symbols.text_bytes, held("c".len()) + held("relation".len()));
        let few = symbols.bytes();
        let many: Vec<_> = (0..1000).map(|n| symbols.take(&n.to_string())).collect();
        many.into_iter().for_each(|symbol| symbols.release(symbol));
        assert!(symbols.bytes() > few);
        symbols.shrink();
        assert!(symbols.bytes() <= few && symbols.find("relation") == Some(b), "{}", symbols.bytes());
    }
}
