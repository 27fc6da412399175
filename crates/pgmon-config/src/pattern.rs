//! Names and patterns of names: `orders`, `shop_*`, `!shop_test`.

/// Which names are meant. `*` stands for any characters, `?` for one; a pattern that begins with `!`
/// leaves names out. Without a pattern that takes names in, all are meant.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Patterns(Vec<String>);

/// As they are written.
impl std::fmt::Display for Patterns {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if self.0.is_empty() { f.write_str("all") } else { f.write_str(&self.0.join(", ")) }
    }
}

impl Patterns {
    /// The patterns of a list.
    pub fn new(patterns: &[String]) -> Self {
        Self(patterns.to_vec())
    }

    /// Whether something is meant that goes by each of these names.
    pub fn meet(&self, names: &[&str]) -> bool {
        let fits = |pattern: &str| names.iter().any(|name| like(pattern, name));
        let mut wanted = None;
        for pattern in &self.0 {
            match pattern.strip_prefix('!') {
                Some(pattern) if fits(pattern) => return false,
                Some(_) => {}
                None => wanted = Some(wanted == Some(true) || fits(pattern)),
            }
        }
        wanted.unwrap_or(true)
    }
}

/// Whether a name fits a pattern with `*` and `?`.
pub(crate) fn like(pattern: &str, name: &str) -> bool {
    let (pattern, name): (Vec<char>, Vec<char>) = (pattern.chars().collect(), name.chars().collect());
    let (mut p, mut n) = (0, 0);
    // Where to go on if the last star has to take one more character.
    let mut star: Option<(usize, usize)> = None;
    while let Some(c) = name.get(n) {
        match pattern.get(p) {
            Some('*') => {
                star = Some((p, n));
                p += 1;
            }
            Some(w) if *w == '?' || w == c => {
                p += 1;
                n += 1;
            }
            _ => match star {
                Some((at, taken)) => {
                    star = Some((at, taken + 1));
                    p = at + 1;
                    n = taken + 1;
                }
                None => return false,
            },
        }
    }
    pattern.get(p..).is_some_and(|rest| rest.iter().all(|c| *c == '*'))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn meet(patterns: &[&str], names: &[&str]) -> bool {
        Patterns::new(&patterns.iter().map(|p| (*p).to_owned()).collect::<Vec<_>>()).meet(names)
    }

    #[test]
    fn patterns_take_in_and_leave_out() {
        assert!(meet(&[], &["orders"]));
        assert!(meet(&["orders"], &["orders"]));
        assert!(!meet(&["orders"], &["orders2"]));
        assert!(meet(&["billing", "ord*"], &["orders", "shop/orders"]));
        assert!(meet(&["shop/*"], &["orders", "shop/orders"]));
        assert!(!meet(&["ord*", "!orders_test"], &["orders_test"]));
        assert!(meet(&["!template?"], &["orders"]));
        assert!(!meet(&["!template?"], &["template1"]));
        assert!(meet(&["*a*b*"], &["xxaxxbxx"]) && !meet(&["*a*b*"], &["xxbxxaxx"]));
    }

    proptest! {
        #[test]
        fn every_name_fits_itself_and_the_star(name in "[^*?!]{0,12}") {
            prop_assert!(like(&name, &name));
            prop_assert!(like("*", &name));
            let (pattern, longer) = (format!("*{name}"), format!("x{name}"));
            prop_assert!(like(&pattern, &longer));
        }

        #[test]
        fn fits_as_a_simple_search_says(pattern in "[ab*?]{0,6}", name in "[ab]{0,6}") {
            fn slow(p: &[char], n: &[char]) -> bool {
                match (p.split_first(), n.split_first()) {
                    (None, None) => true,
                    (Some(('*', rest)), _) => slow(rest, n) || n.split_first().is_some_and(|(_, n)| slow(p, n)),
                    (Some((a, p)), Some((b, n))) => (*a == '?' || a == b) && slow(p, n),
                    _ => false,
                }
            }
            let (p, n): (Vec<char>, Vec<char>) = (pattern.chars().collect(), name.chars().collect());
            prop_assert_eq!(like(&pattern, &name), slow(&p, &n));
        }
    }
}
