//! Names made safe for label values: readable, bounded, and still distinct.

/// A relation's or index's label: `schema.name`.
///
/// Letters and digits of any script, `_`, `-`, `$`, `:` and blanks stay; anything else becomes `_`.
/// Where that (or a dot inside a part) could make two relations look alike, `~` and eight hex digits
/// of a stable hash of the true names follow, so that no two relations ever share a series.
pub fn relation(schema: &str, name: &str) -> String {
    let mut out = String::with_capacity(schema.len() + name.len() + 1);
    let clean_schema = push_clean(&mut out, schema);
    out.push('.');
    let clean_name = push_clean(&mut out, name);
    if !(clean_schema && clean_name) {
        push_hash(&mut out, &[schema, name]);
    }
    out
}

/// One name (an application, a slot, a database) by the same rule as [`relation`], but with dots kept.
pub fn name(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut clean = true;
    for c in text.chars() {
        if keeps(c) || c == '.' || c == '/' {
            out.push(c);
        } else {
            clean = false;
            out.push('_');
        }
    }
    if !clean {
        push_hash(&mut out, &[text]);
    }
    out
}

fn keeps(c: char) -> bool {
    c.is_alphanumeric() || matches!(c, '_' | '-' | '$' | ':' | ' ')
}

fn push_clean(out: &mut String, part: &str) -> bool {
    let mut clean = true;
    for c in part.chars() {
        if keeps(c) {
            out.push(c);
        } else {
            clean = false;
            out.push('_');
        }
    }
    clean
}

fn push_hash(out: &mut String, parts: &[&str]) {
    // FNV-1a: stable over versions and machines, which std's hasher does not promise.
    let mut hash: u64 = 0xcbf2_9ce4_8422_2325;
    for part in parts {
        for byte in part.bytes().chain([0]) {
            hash ^= u64::from(byte);
            hash = hash.wrapping_mul(0x0000_0100_0000_01b3);
        }
    }
    let folded = (hash >> 32) ^ (hash & 0xffff_ffff);
    out.push('~');
    out.push_str(&format!("{folded:08x}"));
}

/// Whether a name is that of a database that `initdb` makes.
pub fn is_postgres_default(datname: &str) -> bool {
    matches!(datname, "postgres" | "template0" | "template1")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ordinary_names_stay_as_they_are() {
        assert_eq!(relation("public", "orders"), "public.orders");
        assert_eq!(relation("größe", "日本 2"), "größe.日本 2");
        assert_eq!(name("walreceiver"), "walreceiver");
        assert_eq!(name("10.0.0.7"), "10.0.0.7");
    }

    #[test]
    fn databases_of_users_are_no_defaults_of_postgres() {
        assert!(["postgres", "template0", "template1"].into_iter().all(is_postgres_default));
        let of_users = ["Postgres", "postgres2", "template", "template_shop", ""];
        assert!(!of_users.into_iter().any(is_postgres_default));
    }

    #[test]
    fn names_that_would_collide_stay_distinct() {
        let a = relation("public", "a\nb");
        let b = relation("public", "a\"b");
        let c = relation("public", "a_b");
        assert!(a.starts_with("public.a_b~") && a != b && a != c);
        assert_ne!(relation("a.b", "c"), relation("a", "b.c"));
    }

    #[test]
    fn nothing_that_needs_escaping_is_left() {
        for c in ['"', '\\', '\n', '\r', '\0', '\u{202e}', '{', '}', ','] {
            assert!(!relation("s", &format!("x{c}y")).contains(c), "{c:?}");
        }
    }
}
