//! Words for messages that people read.

/// So many names are written out.
const FEW: usize = 5;

/// The first few of a list of names, and how many more there are: `a, b and 3 more`.
pub fn few(names: &[&str]) -> String {
    let mut text = names.iter().take(FEW).copied().collect::<Vec<_>>().join(", ");
    if names.len() > FEW {
        text.push_str(&format!(" and {} more", names.len() - FEW));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::few;

    #[test]
    fn a_long_list_is_cut() {
        assert_eq!(few(&["a", "b"]), "a, b");
        assert_eq!(few(&["a", "b", "c", "d", "e", "f", "g"]), "a, b, c, d, e and 2 more");
    }
}
