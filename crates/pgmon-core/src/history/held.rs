//! What a buffer costs: the allocator hands out sizes of its own.

/// Bytes that the allocator gives for `bytes`: multiples of 16 up to 64, and four sizes for each doubling from there on,
/// as mimalloc's are.
pub(super) fn held(bytes: usize) -> usize {
    match bytes {
        0 => 0,
        1..=8 => 8,
        9..=64 => bytes.next_multiple_of(16),
        _ => {
            let words = bytes.div_ceil(8);
            let step = 1 << ((words - 1).ilog2() - 2);
            words.next_multiple_of(step) * 8
        }
    }
}

#[cfg(test)]
mod tests {
    use super::held;

    #[test]
    fn sizes_are_the_allocators() {
        for (bytes, gets) in [
            (0, 0),
            (1, 8),
            (8, 8),
            (9, 16),
            (17, 32),
            (33, 48),
            (64, 64),
            (65, 80),
            (113, 128),
            (129, 160),
            (1000, 1024),
            (1025, 1280),
            (4096, 4096),
            (4097, 5120),
        ] {
            assert_eq!(held(bytes), gets, "{bytes}");
        }
    }

    #[test]
    fn no_more_than_a_quarter_is_lost_and_nothing_is_missing() {
        for bytes in 65..100_000 {
            assert!((bytes..=bytes + bytes / 4 + 8).contains(&held(bytes)), "{bytes}");
        }
    }
}
