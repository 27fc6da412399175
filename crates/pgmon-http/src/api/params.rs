//! The query parameters of pages and lists.

use super::near;
use super::refusal::Refusal;
use axum::extract::FromRequestParts;
use axum::http::HeaderMap;
use axum::http::request::Parts;

/// What was asked for besides the path.
#[derive(Debug, Clone)]
pub struct Asked {
    /// The query as it came: with the path, what tells answers apart.
    pub raw: String,
    /// Names and values in the order in which they came.
    pub pairs: Vec<(String, String)>,
    /// The request's headers.
    pub headers: HeaderMap,
    /// The path.
    pub path: String,
    /// Whether rows are wanted as CSV.
    pub csv: bool,
}

impl<S: Sync> FromRequestParts<S> for Asked {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Self::Rejection> {
        let raw = parts.uri.query().unwrap_or_default().to_owned();
        let pairs = axum::extract::Query::<Vec<(String, String)>>::try_from_uri(&parts.uri);
        let unreadable = || Refusal::bad("the parameters cannot be read", "write ?name=value&name=value");
        let pairs = pairs.map_err(|_| unreadable())?.0;
        let accept = parts.headers.get(axum::http::header::ACCEPT).and_then(|v| v.to_str().ok());
        let csv = accept.is_some_and(wants_csv);
        Ok(Self { raw, pairs, headers: parts.headers.clone(), path: parts.uri.path().to_owned(), csv })
    }
}

/// Whether `text/csv` is named before (or without) JSON.
fn wants_csv(accept: &str) -> bool {
    let kinds = accept.split(',').filter_map(|part| part.split(';').next().map(str::trim));
    for kind in kinds {
        match kind {
            "text/csv" => return true,
            "application/json" => return false,
            _ => {}
        }
    }
    false
}

/// The order of rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Order {
    /// The least first.
    Asc,
    /// The greatest first.
    Desc,
}

/// What is to become of the rows.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Rows {
    /// Only this panel.
    pub panel: Option<String>,
    /// Sorted by this column.
    pub sort: Option<String>,
    /// In this order.
    pub order: Option<Order>,
    /// At most so many.
    pub limit: Option<usize>,
    /// Only those in which a text contains this (in lower case).
    pub q: Option<String>,
}

impl Rows {
    /// Whether nothing is to become of them.
    pub fn is_plain(&self) -> bool {
        *self == Self::default()
    }
}

impl Asked {
    /// The same without a parameter.
    pub fn without(&self, name: &str) -> Self {
        let mut other = self.clone();
        other.pairs.retain(|(n, _)| n != name);
        other
    }

    /// The value of a parameter, of those that are there once.
    pub fn get(&self, name: &str) -> Option<&str> {
        let of_name = self.pairs.iter().find(|(n, _)| n == name);
        of_name.map(|(_, value)| value.as_str()).filter(|value| !value.is_empty())
    }

    /// Whether a parameter is `true`.
    pub fn flag(&self, name: &str) -> Result<Option<bool>, Refusal> {
        match self.get(name) {
            None => Ok(None),
            Some("true" | "1") => Ok(Some(true)),
            Some("false" | "0") => Ok(Some(false)),
            Some(_) => Err(Refusal::bad(format!("{name} is neither true nor false"), "write true or false")),
        }
    }

    /// A parameter that counts something.
    pub fn count(&self, name: &str) -> Result<Option<usize>, Refusal> {
        let Some(text) = self.get(name) else { return Ok(None) };
        match text.parse::<usize>() {
            Ok(n) if n > 0 => Ok(Some(n)),
            _ => Err(Refusal::bad(format!("{name} is not a whole number above 0"), "write digits alone")),
        }
    }

    /// Fails if there is a parameter of another name, or one twice: a misspelt filter must not show everything,
    /// and of two databases none is the right one.
    pub fn only(&self, known: &[&str]) -> Result<(), Refusal> {
        match self.pairs.iter().find(|(name, _)| !known.contains(&name.as_str())) {
            None => self.once(known),
            Some((name, _)) => {
                let short: String = name.chars().take(40).collect();
                let all = match known {
                    [] => "there is none here".to_owned(),
                    _ => format!("there are: {}", known.join(", ")),
                };
                let hint = near::hint(name, known.iter().copied(), &all);
                Err(Refusal::bad(format!("there is no parameter {short:?} here"), hint))
            }
        }
    }

    /// Fails if one of these parameters is there more than once.
    pub fn once(&self, names: &[&str]) -> Result<(), Refusal> {
        let times = |name: &str| self.pairs.iter().filter(|(n, _)| n == name).count();
        match names.iter().find(|name| times(name) > 1) {
            None => Ok(()),
            Some(name) => {
                let error = format!("{name} is there {} times", times(name));
                Err(Refusal::bad(error, format!("write {name}= once: an answer is about one thing")))
            }
        }
    }

    /// What is to become of the rows.
    pub fn rows(&self) -> Result<Rows, Refusal> {
        let order = match self.get("order") {
            None => None,
            Some("asc") => Some(Order::Asc),
            Some("desc") => Some(Order::Desc),
            Some(_) => return Err(Refusal::bad("order is neither asc nor desc", "write asc or desc")),
        };
        Ok(Rows {
            panel: self.get("panel").map(str::to_owned),
            sort: self.get("sort").map(str::to_owned),
            order,
            limit: self.count("limit")?,
            q: self.get("q").map(str::to_lowercase),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(query: &str) -> Asked {
        let uri = format!("/x?{query}").parse().unwrap();
        let pairs = axum::extract::Query::<Vec<(String, String)>>::try_from_uri(&uri).unwrap().0;
        Asked { raw: query.into(), pairs, headers: HeaderMap::new(), path: "/x".into(), csv: false }
    }

    #[test]
    fn a_parameter_is_known_and_there_once() {
        let known = ["cluster", "db"];
        assert!(asked("db=a&cluster=b").only(&known).is_ok() && asked("").only(&[]).is_ok());
        for wrong in ["db=a&db=a", "bd=a", "db=a&db="] {
            assert!(asked(wrong).only(&known).is_err(), "{wrong}");
        }
        assert!(asked("relation=a&relation=b").once(&known).is_ok(), "a label");
    }

    #[test]
    fn csv_is_for_those_who_ask_for_it_first() {
        assert!(wants_csv("text/csv") && wants_csv("text/csv;q=0.9, */*") && wants_csv("*/*, text/csv"));
        assert!(!wants_csv("*/*") && !wants_csv("") && !wants_csv("application/json, text/csv;q=0.1"));
    }
}
