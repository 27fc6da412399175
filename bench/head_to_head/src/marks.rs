//! Pages that a bench writes a part of.

use anyhow::{Context as _, Result};
use std::path::Path;

/// Puts text into a page, between its marks `<!-- NAME:begin -->` and `<!-- NAME:end -->`.
pub fn put_into(file: &Path, name: &str, text: &str) -> Result<()> {
    let (begin, end) = (format!("<!-- {name}:begin -->"), format!("<!-- {name}:end -->"));
    let put = || {
        let page = std::fs::read_to_string(file)?;
        let (head, rest) = page.split_once(&begin).context("the page has no mark for the beginning")?;
        let (_, tail) = rest.split_once(&end).context("the page has no mark for the end")?;
        Ok::<_, anyhow::Error>(std::fs::write(file, format!("{head}{begin}\n{text}{end}{tail}"))?)
    };
    put().with_context(|| format!("cannot put the tables into {}", file.display()))
}
