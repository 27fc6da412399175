//! Reads partition bounds as `pg_get_expr` prints them.

/// A bound.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Bound {
    /// `DEFAULT`
    Default,
    /// `FOR VALUES IN (...)`
    List(Vec<Value>),
    /// `FOR VALUES FROM (...) TO (...)`: from the first inclusive to the second exclusive.
    Range(Vec<Value>, Vec<Value>),
    /// `FOR VALUES WITH (modulus m, remainder r)`
    Hash {
        /// Into so many parts.
        modulus: u32,
        /// This one of them.
        remainder: u32,
    },
}

/// One column's value in a bound.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Value {
    /// Below everything.
    Min,
    /// A value: what stands between its quotes, or a number or boolean without any.
    Is(String),
    /// `NULL`
    Null,
    /// Above everything.
    Max,
}

impl Bound {
    /// Reads a bound; `None` if it is not one.
    pub fn parse(text: &str) -> Option<Self> {
        let mut p = Parser { rest: text };
        let bound = p.bound()?;
        p.blank();
        p.rest.is_empty().then_some(bound)
    }
}

/// What is left to read.
struct Parser<'a> {
    rest: &'a str,
}

impl Parser<'_> {
    fn bound(&mut self) -> Option<Bound> {
        if self.word("DEFAULT") {
            return Some(Bound::Default);
        }
        self.expect("FOR")?;
        self.expect("VALUES")?;
        if self.word("IN") {
            return Some(Bound::List(self.values()?));
        }
        if self.word("WITH") {
            self.sign('(')?;
            self.expect("modulus")?;
            let modulus = self.number()?;
            self.sign(',')?;
            self.expect("remainder")?;
            let remainder = self.number()?;
            self.sign(')')?;
            return (remainder < modulus).then_some(Bound::Hash { modulus, remainder });
        }
        self.expect("FROM")?;
        let from = self.values()?;
        self.expect("TO")?;
        let to = self.values()?;
        (from.len() == to.len()).then_some(Bound::Range(from, to))
    }

    /// `(value, ...)`
    fn values(&mut self) -> Option<Vec<Value>> {
        self.sign('(')?;
        let mut values = Vec::new();
        loop {
            values.push(self.value()?);
            if self.sign(',').is_none() {
                break;
            }
        }
        self.sign(')')?;
        Some(values)
    }

    fn value(&mut self) -> Option<Value> {
        self.blank();
        let quote = self.rest.find('\'').filter(|at| *at <= 1);
        if let Some(at) = quote {
            let (prefix, rest) = self.rest.split_at_checked(at)?;
            self.rest = rest;
            return match prefix {
                "" | "B" | "b" | "X" | "x" => self.quoted(false),
                "E" | "e" => self.quoted(true),
                _ => None,
            };
        }
        let end = self.rest.find([',', ')', '(', '\''])?;
        let (token, rest) = self.rest.split_at_checked(end)?;
        self.rest = rest;
        let token = token.trim();
        Some(match token.to_ascii_uppercase().as_str() {
            "" => return None,
            "MINVALUE" => Value::Min,
            "MAXVALUE" => Value::Max,
            "NULL" => Value::Null,
            _ => Value::Is(token.to_owned()),
        })
    }

    /// A string from its quote on; two quotes stand for one, and so do two backslashes if they escape.
    fn quoted(&mut self, escapes: bool) -> Option<Value> {
        let mut text = String::new();
        let mut chars = self.rest.char_indices().skip(1).peekable();
        while let Some((at, c)) = chars.next() {
            match c {
                '\'' if chars.peek().is_some_and(|(_, next)| *next == '\'') => {
                    chars.next();
                    text.push('\'');
                }
                '\'' => {
                    self.rest = self.rest.get(at + 1..)?;
                    return Some(Value::Is(text));
                }
                '\\' if escapes => text.push(chars.next()?.1),
                c => text.push(c),
            }
        }
        None
    }

    fn number(&mut self) -> Option<u32> {
        self.blank();
        let end = self.rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(self.rest.len());
        let (digits, rest) = self.rest.split_at_checked(end)?;
        self.rest = rest;
        digits.parse().ok()
    }

    fn blank(&mut self) {
        self.rest = self.rest.trim_start();
    }

    fn sign(&mut self, sign: char) -> Option<()> {
        self.blank();
        self.rest = self.rest.strip_prefix(sign)?;
        Some(())
    }

    fn expect(&mut self, word: &str) -> Option<()> {
        self.word(word).then_some(())
    }

    /// Takes a word, in any case, if it comes next and nothing is glued to it.
    fn word(&mut self, word: &str) -> bool {
        self.blank();
        let Some((head, rest)) = self.rest.split_at_checked(word.len()) else { return false };
        if !head.eq_ignore_ascii_case(word) || rest.starts_with(|c: char| c.is_alphanumeric() || c == '_') {
            return false;
        }
        self.rest = rest;
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn is(text: &str) -> Value {
        Value::Is(text.into())
    }

    #[test]
    fn every_kind_of_bound() {
        let cases = [
            ("DEFAULT", Bound::Default),
            (
                "FOR VALUES FROM ('2024-01-01 00:00:00+00') TO ('2024-02-01 00:00:00+00')",
                Bound::Range(vec![is("2024-01-01 00:00:00+00")], vec![is("2024-02-01 00:00:00+00")]),
            ),
            (
                "FOR VALUES FROM (MINVALUE, 'a,b)') TO ('-5', MAXVALUE)",
                Bound::Range(vec![Value::Min, is("a,b)")], vec![is("-5"), Value::Max]),
            ),
            ("FOR VALUES FROM (1000) TO (2000)", Bound::Range(vec![is("1000")], vec![is("2000")])),
            (
                "FOR VALUES IN ('it''s', E'back\\\\slash\\'', NULL, true, '')",
                Bound::List(vec![is("it's"), is("back\\slash'"), Value::Null, is("true"), is("")]),
            ),
            ("FOR VALUES IN (B'101')", Bound::List(vec![is("101")])),
            ("FOR VALUES IN ('MINVALUE')", Bound::List(vec![is("MINVALUE")])),
            ("FOR VALUES WITH (modulus 4, remainder 3)", Bound::Hash { modulus: 4, remainder: 3 }),
            ("FOR VALUES IN ('größe 🐘')", Bound::List(vec![is("größe 🐘")])),
        ];
        for (text, bound) in cases {
            assert_eq!(Bound::parse(text), Some(bound), "{text}");
        }
    }

    #[test]
    fn what_is_no_bound() {
        for text in [
            "",
            "DEFAULTS",
            "FOR VALUES",
            "FOR VALUES IN ()",
            "FOR VALUES IN ('a",
            "FOR VALUES IN ('a') x",
            "FOR VALUES FROM (1) TO (1, 2)",
            "FOR VALUES WITH (modulus 4, remainder 4)",
            "FOR VALUES WITH (modulus 99999999999, remainder 0)",
            "FOR VALUES IN (z'a')",
            "FOR VALUES IN (E'\\",
        ] {
            assert_eq!(Bound::parse(text), None, "{text}");
        }
    }

    fn value() -> impl Strategy<Value = Value> {
        prop_oneof![
            Just(Value::Min),
            Just(Value::Max),
            Just(Value::Null),
            any::<String>().prop_map(Value::Is)
        ]
    }

    /// As the server prints it.
    fn print(values: &[Value]) -> String {
        let printed: Vec<String> = values
            .iter()
            .map(|v| match v {
                Value::Min => "MINVALUE".into(),
                Value::Max => "MAXVALUE".into(),
                Value::Null => "NULL".into(),
                Value::Is(s) if s.contains('\\') => {
                    format!("E'{}'", s.replace('\\', "\\\\").replace('\'', "''"))
                }
                Value::Is(s) => format!("'{}'", s.replace('\'', "''")),
            })
            .collect();
        printed.join(", ")
    }

    proptest! {
        #[test]
        fn what_the_server_prints_is_read_back(
            pairs in proptest::collection::vec((value(), value()), 1..4),
        ) {
            let (from, to): (Vec<_>, Vec<_>) = pairs.into_iter().unzip();
            let list = format!("FOR VALUES IN ({})", print(&from));
            prop_assert_eq!(Bound::parse(&list), Some(Bound::List(from.clone())));
            let range = format!("FOR VALUES FROM ({}) TO ({})", print(&from), print(&to));
            prop_assert_eq!(Bound::parse(&range), Some(Bound::Range(from, to)));
        }

        #[test]
        fn nothing_makes_it_panic(text in any::<String>(), cut in 0usize..80) {
            let _ = Bound::parse(&text);
            let near = format!("FOR VALUES FROM (E'{text}') TO ({text})");
            let _ = Bound::parse(&near);
            let _ = Bound::parse(near.get(..cut).unwrap_or(&near));
        }
    }
}
