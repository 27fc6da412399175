//! Compressing pages piece by piece.

use axum::body::Bytes;
use flate2::{Compress, Compression, FlushCompress, Status};

/// What compresses takes a third of a megabyte: it is kept and used again, in place of one for each thread
/// that ever renders.
pub struct Gzip(Compress);

impl Gzip {
    /// The fastest level: text of metrics shrinks to a tenth with it.
    pub fn new() -> Self {
        Self(Compress::new_gzip(Compression::fast(), 15))
    }

    /// Compresses what `write` gives away; about `expected` bytes come out.
    ///
    /// The result is shrunk to what it needs: pages are kept.
    pub fn pack<T>(&mut self, expected: usize, write: impl FnOnce(&mut dyn FnMut(&str)) -> T) -> (Bytes, T) {
        self.0.reset();
        let mut out = Vec::with_capacity(expected + expected / 16);
        let result = write(&mut |text| self.push(text.as_bytes(), FlushCompress::None, &mut out));
        self.push(&[], FlushCompress::Finish, &mut out);
        out.shrink_to_fit();
        (out.into(), result)
    }

    fn push(&mut self, mut input: &[u8], flush: FlushCompress, out: &mut Vec<u8>) {
        loop {
            if out.capacity() - out.len() < 1024 {
                out.reserve((out.len() / 4).max(4096));
            }
            let (before, written) = (self.0.total_in(), out.len());
            let status = self.0.compress_vec(input, out, flush);
            let taken = usize::try_from(self.0.total_in() - before).unwrap_or(usize::MAX);
            input = input.get(taken..).unwrap_or_default();
            let more = match flush {
                FlushCompress::Finish => matches!(status, Ok(Status::Ok | Status::BufError)),
                _ => !input.is_empty() && status.is_ok(),
            };
            // With room for output it always gets on; whatever else happens must not hang.
            if !more || (taken == 0 && out.len() == written) {
                return;
            }
        }
    }
}

/// Compresses a text that is there as a whole.
pub fn gzip(text: &str) -> Bytes {
    Gzip::new().pack(text.len() / 8, |drain| drain(text)).0
}

#[cfg(test)]
mod tests {
    use super::*;
    use flate2::read::GzDecoder;
    use proptest::prelude::*;
    use std::io::Read as _;

    fn unpack(bytes: &[u8]) -> String {
        let mut text = String::new();
        GzDecoder::new(bytes).read_to_string(&mut text).unwrap();
        text
    }

    #[test]
    fn a_long_page_comes_back_and_the_next_one_too() {
        let mut gzip = Gzip::new();
        for page in 0..3 {
            let lines: Vec<String> =
                (0..20_000).map(|n| format!("pg_x{{n=\"{n}\"}} {}\n", n * page)).collect();
            let (bytes, ()) = gzip.pack(10, |drain| lines.iter().for_each(|l| drain(l)));
            assert_eq!(unpack(&bytes), lines.concat());
        }
    }

    proptest! {
        #[test]
        fn any_text_comes_back(pieces in prop::collection::vec(".{0,3000}", 0..8), expected in 0_usize..5000) {
            let (bytes, ()) = Gzip::new().pack(expected, |drain| pieces.iter().for_each(|p| drain(p)));
            prop_assert_eq!(unpack(&bytes), pieces.concat());
        }
    }
}
