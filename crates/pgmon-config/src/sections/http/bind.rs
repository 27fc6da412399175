//! Listening addresses.

use std::net::IpAddr;

/// The name of the `format` of a listening address in the JSON Schema.
pub(crate) const BIND_FORMAT: &str = "bind-address";

/// Takes a listening address apart. The error names what is wrong without repeating the text.
pub(crate) fn split_bind(text: &str) -> Result<(&str, u16), &'static str> {
    let (host, port) = text
        .rsplit_once(':')
        .ok_or("expected an address and a port, such as 127.0.0.1:8181 or [::1]:8181")?;
    let port = port.parse().map_err(|_| "the port must be a number from 0 to 65535")?;
    let host = match host.strip_prefix('[').and_then(|h| h.strip_suffix(']')) {
        Some(inner) if inner.parse::<std::net::Ipv6Addr>().is_ok() => inner,
        Some(_) => return Err("expected an IPv6 address in the brackets"),
        None if host.contains(':') => return Err("an IPv6 address needs brackets: [::1]:8181"),
        None => host,
    };
    let named = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '.' | '_');
    if host.parse::<IpAddr>().is_err() && (host.is_empty() || !host.chars().all(named)) {
        return Err("expected an address before the port; 0.0.0.0 stands for all of them");
    }
    Ok((host, port))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Http;

    #[test]
    fn tells_loopback_from_the_rest() {
        let loopback = |bind: &str| Http { bind: bind.to_owned(), ..Http::default() }.is_loopback();
        assert!(loopback("127.0.0.1:8181"));
        assert!(loopback("[::1]:8181"));
        assert!(loopback("localhost:8181"));
        assert!(!loopback("0.0.0.0:8181"));
        assert!(!loopback("[::]:8181"));
        assert!(!loopback("nonsense"));
    }

    #[test]
    fn takes_addresses_apart() {
        assert_eq!(split_bind("0.0.0.0:0"), Ok(("0.0.0.0", 0)));
        assert_eq!(split_bind("[::]:8181"), Ok(("::", 8181)));
        assert_eq!(split_bind("db-1.internal:80"), Ok(("db-1.internal", 80)));
        for bad in ["", "8181", ":8181", "::1:8181", "[x]:1", "h:65536", "h:", "a b:1", "h:-1"] {
            assert!(split_bind(bad).is_err(), "{bad}");
        }
    }
}
