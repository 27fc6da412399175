//! What strangers send, for fuzz targets (`fuzz/`) and for tests with random inputs: each function takes any input, and
//! panics if it breaks what clusters promise.

pub use super::manatee::fuzzing::{manatee_nodes, zookeeper_answers};
pub use super::patroni::fuzzing::{patroni_answers, patroni_http};

use pgmon_core::Value;
use pgmon_core::cluster::{Cluster, ClusterSnapshot, Health, families};
use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

/// Panics unless every sample of this cluster is a number, and each of its series is there once.
pub fn assert_sound(cluster: Cluster) {
    let start = ClusterSnapshot::pending(cluster.manager, cluster.name.as_str(), "s", Duration::from_secs(1));
    let at_mono = Some(Duration::ZERO);
    let snapshot = ClusterSnapshot { health: Health::Ok, at_mono, cluster: Some(Arc::new(cluster)), ..start };
    for family in families(&[Arc::new(snapshot)], Duration::ZERO) {
        let (name, mut series) = (family.desc.name(), HashSet::new());
        for sample in &family.samples {
            let finite = matches!(sample.value, Value::Number(n) if n.is_finite());
            assert!(finite, "{name}{:?} {:?}", sample.labels, sample.value);
            assert!(series.insert(sample.labels.clone()), "{name}{:?} twice", sample.labels);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::services::fuzzing::tests::mutants;
    use proptest::prelude::*;

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(2_000))]

        #[test]
        fn any_node_of_manatee_is_taken(bytes in mutants("manatee_nodes")) {
            manatee_nodes(&bytes);
        }

        #[test]
        fn any_answers_of_patroni_are_taken(bytes in mutants("patroni_answers")) {
            patroni_answers(&bytes);
        }

        #[test]
        fn any_bytes_of_patroni_are_taken(bytes in mutants("patroni_http")) {
            patroni_http(&bytes);
        }

        #[test]
        fn any_answer_of_zookeeper_is_taken(bytes in mutants("zookeeper_answers")) {
            zookeeper_answers(&bytes);
        }
    }
}
