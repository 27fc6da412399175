//! The page at `/status`: for whoever has no JavaScript, or needs the addresses.

use pgmon_collect::poller::fleet::Fleet;
use pgmon_core::snapshot::Up;
use std::fmt::Write as _;

/// A page that says what is watched and where to go on; `logged_in` shows the way out.
pub fn page(fleet: &Fleet, version: &str, logged_in: bool) -> String {
    let log_out = if logged_in {
        "<form method=\"post\" action=\"logout\"><p><button>Log out</button></p></form>\n"
    } else {
        ""
    };
    let mut rows = String::new();
    for cell in fleet.cells().iter() {
        let s = cell.snapshot();
        let (word, detail) = match &s.up {
            Up::Pending => ("connecting", String::new()),
            Up::Up => (
                "up",
                s.server.as_ref().map(|i| format!("PostgreSQL {}", i.version_text)).unwrap_or_default(),
            ),
            Up::Down { reason } => ("down", reason.clone()),
            Up::Refused { .. } => ("refused", "its role can write; see /healthz".to_owned()),
        };
        let _ = writeln!(
            rows,
            "<tr><td>{}</td><td>{}</td><td>{word}</td><td>{}</td></tr>",
            escape(&s.cluster),
            escape(&s.db),
            escape(&detail)
        );
    }
    format!(
        "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"><meta name=\"viewport\" content=\"width=device-width\">\
         <title>pgmon</title></head>\n<body>\n<h1>pgmon {}</h1>\n<p>Read-only PostgreSQL monitor.</p>\n\
         <ul>\n<li><a href=\"./\">/</a>: the pages</li>\n<li><a href=\"metrics\">/metrics</a>: Prometheus metrics</li>\n\
         <li><a href=\"healthz\">/healthz</a>: is every loop on schedule, what cannot be seen</li>\n\
         <li><a href=\"health?detail=1\">/health</a>: are the services good</li>\n\
         <li><a href=\"livez\">/livez</a>, <a href=\"readyz\">/readyz</a>: for orchestrators</li>\n\
         <li><a href=\"configz\">/configz</a>: databases and custom queries</li>\n</ul>\n{log_out}\
         <table>\n<thead><tr><th>cluster</th><th>db</th><th>state</th><th></th></tr></thead>\n<tbody>\n{rows}</tbody></table>\n</body></html>\n",
        escape(version)
    )
}

/// For text and attributes in HTML.
pub(crate) fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}
