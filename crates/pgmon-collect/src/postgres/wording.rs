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

/// A number of things: `1 database`, `2 databases`.
pub fn count(n: usize, thing: &str) -> String {
    if n == 1 { format!("1 {thing}") } else { format!("{n} {thing}s") }
}

#[cfg(test)]
mod tests {
    use super::{count, few};

    #[test]
    fn one_is_no_plural() {
        assert_eq!([0, 1, 2].map(|n| count(n, "database")), ["0 databases", "1 database", "2 databases"]);
    }

    #[test]
    fn a_long_list_is_cut() {
        assert_eq!(few(&["a", "b"]), "a, b");
        assert_eq!(few(&["a", "b", "c", "d", "e", "f", "g"]), "a, b, c, d, e and 2 more");
    }
}
