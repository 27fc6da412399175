//! What strangers send, for fuzz targets (`fuzz/`) and for tests with random inputs: each function takes any input, and
//! panics if it breaks what the probes promise.

pub use super::http::fuzzing::{answer as http_answer, redirect as http_redirect};
pub use super::pgbouncer::fuzzing::rows as pgbouncer_rows;
pub use super::redis::fuzzing::{info as redis_info, replies as redis_replies};
pub use super::tcp::fuzzing::answer as tcp_answer;
pub use super::tls::read_any as certificate;

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use proptest::prelude::*;

    /// What a target is called, and what it does.
    type Target = (&'static str, fn(&[u8]));

    const TARGETS: [Target; 11] = [
        ("certificate", certificate),
        ("http_answer", http_answer),
        ("http_redirect", |bytes| http_redirect(&String::from_utf8_lossy(bytes))),
        ("manatee_nodes", crate::clusters::fuzzing::manatee_nodes),
        ("patroni_answers", crate::clusters::fuzzing::patroni_answers),
        ("patroni_http", crate::clusters::fuzzing::patroni_http),
        ("pgbouncer_rows", |bytes| pgbouncer_rows(&String::from_utf8_lossy(bytes))),
        ("redis_info", |bytes| redis_info(&String::from_utf8_lossy(bytes))),
        ("redis_replies", redis_replies),
        ("tcp_answer", tcp_answer),
        ("zookeeper_answers", crate::clusters::fuzzing::zookeeper_answers),
    ];

    /// What broke a target once is a seed from then on.
    #[test]
    fn every_seed_is_taken_as_it_is_and_every_target_has_some() {
        let fuzz = format!("{}/../../fuzz", env!("CARGO_MANIFEST_DIR"));
        let mut known: Vec<String> = std::fs::read_dir(format!("{fuzz}/fuzz_targets"))
            .unwrap()
            .map(|file| file.unwrap().path().file_stem().unwrap().to_string_lossy().into_owned())
            .collect();
        known.sort();
        assert_eq!(known, TARGETS.map(|(name, _)| name));
        for (name, take) in TARGETS {
            let seeds: Vec<_> = std::fs::read_dir(format!("{fuzz}/seeds/{name}")).unwrap().collect();
            assert!(!seeds.is_empty(), "{name}");
            for seed in seeds {
                take(&std::fs::read(seed.unwrap().path()).unwrap());
            }
        }
    }

    /// A seed of the fuzz targets with some bytes that are others, are missing or are there twice.
    pub(crate) fn mutants(target: &str) -> impl Strategy<Value = Vec<u8>> + use<> {
        let directory = format!("{}/../../fuzz/seeds/{target}", env!("CARGO_MANIFEST_DIR"));
        let files = std::fs::read_dir(&directory).unwrap_or_else(|error| panic!("{directory}: {error}"));
        let seeds: Vec<Vec<u8>> = files.map(|file| std::fs::read(file.unwrap().path()).unwrap()).collect();
        assert!(!seeds.is_empty(), "{directory} is empty");
        let change = (any::<prop::sample::Index>(), any::<u8>(), 0..4_u8, 1..40_usize);
        (prop::sample::select(seeds), prop::collection::vec(change, 0..6)).prop_map(|(mut bytes, changes)| {
            for (place, byte, how, length) in changes {
                let place = place.index(bytes.len() + 1);
                let end = (place + length).min(bytes.len());
                match how {
                    0 => bytes.insert(place, byte),
                    1 => drop(bytes.splice(place..end, [])),
                    2 => bytes.splice(place..place, bytes[place..end].to_vec()).for_each(drop),
                    _ => bytes[place..end].iter_mut().take(1).for_each(|b| *b = byte),
                }
            }
            bytes
        })
    }

    proptest! {
        #[test]
        fn any_replies_of_a_redis_are_taken(bytes in mutants("redis_replies")) {
            redis_replies(&bytes);
        }

        #[test]
        fn any_info_of_a_redis_is_taken(bytes in mutants("redis_info")) {
            redis_info(&String::from_utf8_lossy(&bytes));
        }

        #[test]
        fn any_answer_of_a_web_server_is_taken(bytes in mutants("http_answer")) {
            http_answer(&bytes);
        }

        #[test]
        fn any_rows_of_a_pooler_are_taken(bytes in mutants("pgbouncer_rows")) {
            pgbouncer_rows(&String::from_utf8_lossy(&bytes));
        }

        #[test]
        fn anything_a_port_says_is_taken(bytes in mutants("tcp_answer")) {
            tcp_answer(&bytes);
        }

        #[test]
        fn any_certificate_is_taken(bytes in mutants("certificate")) {
            certificate(&bytes);
        }

        #[test]
        fn any_redirect_is_taken(bytes in mutants("http_redirect"), any in "\\PC{0,40}") {
            http_redirect(&String::from_utf8_lossy(&bytes));
            http_redirect(&any);
        }
    }
}
