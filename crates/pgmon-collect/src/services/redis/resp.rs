//! Replies of the Redis protocol (RESP 2), as far as a probe meets them: nothing is allocated because a
//! reply says how long it is.

/// The longest line: a status, an error, a number.
const LINE: usize = 4 * 1024;

/// A reply.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Reply<'b> {
    /// `+PONG`
    Status(&'b [u8]),
    /// `-NOAUTH Authentication required.`
    Error(&'b [u8]),
    /// `:1`
    Number(i64),
    /// A text of any bytes, or none.
    Text(Option<&'b [u8]>),
}

/// Why bytes are no reply, or none that is taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum RespError {
    /// Something else listens there.
    #[error("it does not speak the Redis protocol")]
    Malformed,
    /// The reply says that it is larger than any that is expected.
    #[error("its reply is larger than any that is expected")]
    TooLarge,
    /// A list, or a type of a later version.
    #[error("its reply is of a type that was not asked for")]
    Unexpected,
}

/// Reads the reply at the beginning of `bytes`: the reply and its length, or `None` if it is not all there.
/// Texts longer than `most` are refused before they have come.
pub(crate) fn parse(bytes: &[u8], most: usize) -> Result<Option<(Reply<'_>, usize)>, RespError> {
    let Some((kind, rest)) = bytes.split_first() else { return Ok(None) };
    if !b"+-:$*_#,(!=%~>|".contains(kind) {
        return Err(RespError::Malformed);
    }
    if !b"+-:$".contains(kind) {
        return Err(RespError::Unexpected);
    }
    let window = rest.get(..LINE + 2).unwrap_or(rest);
    let Some(end) = window.windows(2).position(|pair| pair == b"\r\n") else {
        return if rest.len() > LINE { Err(RespError::TooLarge) } else { Ok(None) };
    };
    let line = window.get(..end).unwrap_or_default();
    let after = 1 + end + 2;
    match kind {
        b'+' => Ok(Some((Reply::Status(line), after))),
        b'-' => Ok(Some((Reply::Error(line), after))),
        b':' => Ok(Some((Reply::Number(number(line)?), after))),
        _ => {
            let length = number(line)?;
            if length == -1 {
                return Ok(Some((Reply::Text(None), after)));
            }
            let length = usize::try_from(length).map_err(|_| RespError::Malformed)?;
            if length > most {
                return Err(RespError::TooLarge);
            }
            let Some(text) = bytes.get(after..after + length) else { return Ok(None) };
            match bytes.get(after + length..after + length + 2) {
                Some(b"\r\n") => Ok(Some((Reply::Text(Some(text)), after + length + 2))),
                Some(_) => Err(RespError::Malformed),
                None => Ok(None),
            }
        }
    }
}

fn number(line: &[u8]) -> Result<i64, RespError> {
    std::str::from_utf8(line).ok().and_then(|text| text.parse().ok()).ok_or(RespError::Malformed)
}

/// A command as it is sent.
pub(crate) fn command(words: &[&str]) -> Vec<u8> {
    let mut out = format!("*{}\r\n", words.len()).into_bytes();
    for word in words {
        out.extend_from_slice(format!("${}\r\n", word.len()).as_bytes());
        out.extend_from_slice(word.as_bytes());
        out.extend_from_slice(b"\r\n");
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const MOST: usize = 1000;

    #[test]
    fn replies_are_taken_apart() {
        let parse = |text: &'static str| parse(text.as_bytes(), MOST);
        assert_eq!(parse("+PONG\r\n+X"), Ok(Some((Reply::Status(b"PONG"), 7))));
        assert_eq!(parse("-NOAUTH x\r\n"), Ok(Some((Reply::Error(b"NOAUTH x"), 11))));
        assert_eq!(parse(":-3\r\n"), Ok(Some((Reply::Number(-3), 5))));
        assert_eq!(parse("$3\r\na\r\n\r\n"), Ok(Some((Reply::Text(Some(b"a\r\n")), 9))));
        assert_eq!(parse("$-1\r\n"), Ok(Some((Reply::Text(None), 5))));
        for part in ["", "+", "+PONG\r", "$3", "$3\r\n", "$3\r\nabc", "$3\r\nabc\r"] {
            assert_eq!(parse(part), Ok(None), "{part:?}");
        }
    }

    #[test]
    fn what_is_no_reply_or_too_large_is_refused_before_it_is_there() {
        fn parse(text: &[u8]) -> Result<Option<(Reply<'_>, usize)>, RespError> {
            super::parse(text, MOST)
        }
        assert_eq!(parse(b"HTTP/1.1 400"), Err(RespError::Malformed));
        assert_eq!(parse(b"$9999999999\r\n"), Err(RespError::TooLarge));
        assert_eq!(parse(b"$1001\r\n"), Err(RespError::TooLarge));
        assert_eq!(parse(b"$99999999999999999999999\r\n"), Err(RespError::Malformed));
        assert_eq!(parse(b"$-2\r\n"), Err(RespError::Malformed));
        assert_eq!(parse(b"$1\r\nabc"), Err(RespError::Malformed));
        assert_eq!(parse(b"*1000000000\r\n"), Err(RespError::Unexpected));
        assert_eq!(parse(&[b"+".as_slice(), &[b'x'; LINE + 2]].concat()), Err(RespError::TooLarge));
    }

    proptest! {
        #[test]
        fn whatever_comes_is_a_reply_within_bounds_or_an_error(
            bytes in prop::collection::vec(
                prop_oneof![Just(b'$'), Just(b'\r'), Just(b'\n'), Just(b'-'), b'0'..=b'9', any::<u8>()], 0..40
            ),
        ) {
            if let Ok(Some((reply, length))) = parse(&bytes, MOST) {
                prop_assert!(length <= bytes.len() && length > 0);
                // The same reply comes of its own bytes, and of nothing less.
                prop_assert_eq!(parse(&bytes[..length], MOST), Ok(Some((reply, length))));
                prop_assert!(matches!(parse(&bytes[..length - 1], MOST), Ok(None)));
            }
        }
    }
}
