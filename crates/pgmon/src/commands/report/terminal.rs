//! What the terminal can show.

use pgmon_views::Level;
use std::io::IsTerminal as _;

/// The width of a report that goes to no terminal.
pub const WIDTH: usize = 100;

/// The least width that is made use of.
const LEAST: usize = 60;

/// How text is to look.
#[derive(Debug, Clone, Copy)]
pub struct Style {
    /// Columns.
    pub width: usize,
    /// Whether there are colours.
    pub colours: bool,
}

/// As standard output is; a file gets plain text.
pub fn style(to_file: bool) -> Style {
    let out = std::io::stdout();
    if to_file || !out.is_terminal() {
        return Style { width: WIDTH, colours: false };
    }
    let set = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty());
    let colours = set("NO_COLOR").is_none() && set("TERM").is_some_and(|term| term != "dumb");
    let width = rustix::termios::tcgetwinsize(&out).map_or(0, |size| usize::from(size.ws_col));
    Style { width: if width == 0 { WIDTH } else { width.max(LEAST) }, colours }
}

impl Style {
    /// A text in a level's colour.
    pub fn level(self, level: Level, text: &str) -> String {
        let colour = match level {
            Level::Ok => "32",
            Level::Unknown => "36",
            Level::Warn => "33",
            Level::Crit => "1;31",
        };
        self.paint(colour, text)
    }

    /// A head.
    pub fn bold(self, text: &str) -> String {
        self.paint("1", text)
    }

    /// What matters less.
    pub fn dim(self, text: &str) -> String {
        self.paint("2", text)
    }

    fn paint(self, colour: &str, text: &str) -> String {
        if self.colours { format!("\x1b[{colour}m{text}\x1b[0m") } else { text.to_owned() }
    }
}
