//! `postgres://user:password@host:port/database?parameter=value`.

use std::borrow::Cow;

use percent_encoding::percent_decode_str;

use super::{ConnectParts, DsnError};

/// Reads what follows `postgres://`.
///
/// Not a general URL parser: those turn a `#` or `?` in a password into something else silently. This
/// one reads as libpq does, and refuses what libpq would take for another host or database.
pub(super) fn parse(rest: &str) -> Result<ConnectParts, DsnError> {
    let (main, query) = match rest.split_once('?') {
        Some((main, query)) => (main, Some(query)),
        None => (rest, None),
    };
    let (authority, path) = match main.split_once('/') {
        Some((authority, path)) => (authority, Some(path)),
        None => (main, None),
    };
    let (login, place) = match authority.split_once('@') {
        Some((login, place)) => (Some(login), place),
        None => (None, authority),
    };
    let astray = |text: &str| text.contains('@');
    if astray(place) || path.is_some_and(|p| astray(p) || p.contains('/')) {
        return Err(DsnError::Encoding);
    }
    if login.is_none() && query.is_some_and(astray) {
        return Err(DsnError::Encoding);
    }

    let mut parts = ConnectParts::default();
    if let Some(login) = login {
        let (user, password) = login.split_once(':').unwrap_or((login, ""));
        set_decoded(&mut parts, "user", user)?;
        set_decoded(&mut parts, "password", password)?;
    }
    let (host, port) = split_place(place)?;
    set_decoded(&mut parts, "host", host)?;
    set_decoded(&mut parts, "port", port)?;
    set_decoded(&mut parts, "dbname", path.unwrap_or_default())?;
    let pairs = query.unwrap_or_default().split('&').filter(|pair| !pair.is_empty());
    for (place, pair) in (1..).zip(pairs) {
        let (key, value) = pair.split_once('=').ok_or(DsnError::Unknown { place, nearest: None })?;
        parts.set(&decode(key)?, &decode(value)?).map_err(|error| error.at(place))?;
    }
    Ok(parts)
}

/// Sets what stands in the URL itself, where empty means left out.
fn set_decoded(parts: &mut ConnectParts, key: &str, value: &str) -> Result<(), DsnError> {
    if value.is_empty() { Ok(()) } else { parts.set(key, &decode(value)?) }
}

/// Splits `host:port`, `[v6]:port`, or either alone.
fn split_place(place: &str) -> Result<(&str, &str), DsnError> {
    if place.contains(',') {
        return Err(DsnError::SeveralHosts);
    }
    let Some(rest) = place.strip_prefix('[') else {
        let (host, port) = place.split_once(':').unwrap_or((place, ""));
        return if port.contains(':') { Err(DsnError::Encoding) } else { Ok((host, port)) };
    };
    let (address, after) = rest.split_once(']').ok_or(DsnError::Host)?;
    if address.parse::<std::net::Ipv6Addr>().is_err() {
        return Err(DsnError::Host);
    }
    match after.strip_prefix(':') {
        Some(port) => Ok((address, port)),
        None if after.is_empty() => Ok((address, "")),
        None => Err(DsnError::Port),
    }
}

fn decode(text: &str) -> Result<Cow<'_, str>, DsnError> {
    let mut rest = text.as_bytes();
    while let Some(at) = rest.iter().position(|b| *b == b'%') {
        match rest.get(at + 1..at + 3) {
            Some(digits) if digits.iter().all(u8::is_ascii_hexdigit) => rest = &rest[at + 3..],
            _ => return Err(DsnError::Percent),
        }
    }
    percent_decode_str(text).decode_utf8().map_err(|_| DsnError::Percent)
}
