//! The path that pgmon is served under.

/// The name of the `format` of a path prefix in the JSON Schema.
pub(crate) const PATH_PREFIX_FORMAT: &str = "path-prefix";

/// The longest prefix (bytes).
const LONGEST: usize = 128;

/// First steps of paths that pgmon itself has. A prefix like that could not be told from them.
const OWN: [&str; 6] = ["-", "api", "assets", "login", "logout", "metrics"];

/// What is wrong with a text that should be empty or a path prefix. The text is not repeated.
pub fn path_prefix_fault(text: &str) -> Option<String> {
    if text.is_empty() {
        return None;
    }
    let says = |fault: &str| Some(fault.to_owned());
    let Some(steps) = text.strip_prefix('/') else {
        return says("expected a path with a slash in front and none at the end, such as /pgmon");
    };
    if text.len() > LONGEST {
        return says("must have at most 128 characters");
    }
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '.' | '_' | '~');
    for step in steps.split('/') {
        if step.is_empty() {
            return says("has a slash too many; expected a path such as /pgmon");
        }
        if matches!(step, "." | "..") || !step.chars().all(plain) {
            return says("may have letters, digits, `-`, `.`, `_`, `~` and slashes, and no step `.` or `..`");
        }
    }
    let first = steps.split('/').next().unwrap_or_default();
    OWN.contains(&first).then(|| format!("begins like a path of pgmon's own, /{first}; use another one"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_that_can_stand_before_pgmons_own() {
        for good in ["", "/pgmon", "/tools/pg-mon_2/~x.y"] {
            assert_eq!(path_prefix_fault(good), None, "{good}");
        }
        let long = format!("/{}", "x".repeat(128));
        for bad in [
            "pgmon", "/", "/pgmon/", "//pgmon", "/a//b", "/a/../b", "/.", "/a b", "/\"", "/é", "/%2e",
            "/api", &long,
        ] {
            assert!(path_prefix_fault(bad).is_some(), "{bad}");
        }
        assert_eq!(path_prefix_fault("/apian"), None);
    }
}
