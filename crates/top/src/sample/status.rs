//! The daemon's answer: of what docs/output.schema.json calls `status` the fields that are shown.

use std::time::Duration;

use lowtide_core::{Bytes, TierId};
use serde::Deserialize;

use super::Tenant;

/// The version of the answer that is understood.
const VERSION: u32 = 1;

/// Why an answer cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum StatusError {
    /// It is no JSON, or lacks something.
    #[error("its answer is not understood: {0}")]
    Garbled(#[from] serde_json::Error),
    /// It comes from another release.
    #[error(
        "its answer has version {0}, this program knows {VERSION}: daemon and program are of different releases"
    )]
    OtherVersion(u32),
}

/// What the daemon knows after one turn of its loop.
#[derive(Debug, Clone, Deserialize)]
pub struct Status {
    /// Since its start.
    #[serde(deserialize_with = "seconds")]
    pub uptime: Duration,
    /// Turns so far.
    pub ticks: u64,
    /// Offloaded, less what the tiers take for it, less the daemon itself; of the host, may be negative.
    pub net_saved: i64,
    /// Memory of the daemon itself.
    pub own: Bytes,
    /// How idle ages are got.
    pub sampling: Sampling,
    /// What is wrong without stopping it.
    pub problems: Vec<String>,
    /// Its tiers, for their order.
    host: Tiers,
    /// What a fault costs, in the order of its tiers.
    costs: Vec<Cost>,
    /// Stores that the balancer looks at.
    pub balancer: Vec<Store>,
    /// The targets.
    pub cgroups: Vec<Tenant>,
}

/// How idle ages are got.
#[derive(Debug, Clone, Deserialize)]
pub struct Sampling {
    /// The source, if there is one.
    pub source: Option<String>,
    /// What is wrong with it.
    pub problem: Option<String>,
}

#[derive(Debug, Clone, Deserialize)]
struct Tiers {
    tiers: Vec<Named>,
}

#[derive(Debug, Clone, Deserialize)]
struct Named {
    device: TierId,
}

#[derive(Debug, Clone, Deserialize)]
struct Cost {
    fault: Fault,
}

#[derive(Debug, Clone, Deserialize)]
struct Fault {
    #[serde(deserialize_with = "seconds")]
    time: Duration,
    basis: String,
}

/// A fast tier that pages sink from.
#[derive(Debug, Clone, Deserialize)]
pub struct Store {
    #[serde(rename = "store")]
    names: StoreNames,
    /// Moved to the slower device since the daemon's start.
    pub moved: Bytes,
    /// Written there in the last 24 hours.
    pub written: Bytes,
    /// What may be written there in 24 hours.
    pub budget: Bytes,
}

#[derive(Debug, Clone, Deserialize)]
struct StoreNames {
    below: Option<Named>,
}

impl Status {
    /// Understands what the daemon answers to `status` as JSON.
    pub fn parse(text: &str) -> Result<Self, StatusError> {
        #[derive(Deserialize)]
        struct Versioned {
            version: u32,
        }
        match serde_json::from_str::<Versioned>(text)?.version {
            VERSION => Ok(serde_json::from_str(text)?),
            other => Err(StatusError::OtherVersion(other)),
        }
    }

    /// What a fault on the tier `device` costs, and on what that rests (`measured`, `told`, `assumed`).
    #[must_use]
    pub fn fault_cost(&self, device: &TierId) -> Option<(Duration, &str)> {
        let mut costs = self.host.tiers.iter().zip(&self.costs);
        costs.find(|(tier, _)| tier.device == *device).map(|(_, cost)| (cost.fault.time, &*cost.fault.basis))
    }

    /// The store whose pages sink to `device`.
    #[must_use]
    pub fn store_above(&self, device: &TierId) -> Option<&Store> {
        let below = |store: &Store| store.names.below.as_ref().is_some_and(|below| below.device == *device);
        self.balancer.iter().find(|store| below(store))
    }
}

/// A time that is written as a number of seconds.
pub(super) fn seconds<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Duration, D::Error> {
    Duration::try_from_secs_f64(f64::deserialize(deserializer)?).map_err(serde::de::Error::custom)
}

#[cfg(test)]
impl Status {
    /// After so many turns, without any tenant.
    pub(crate) fn of_turn(ticks: u64, uptime: Duration) -> Self {
        let sampling = Sampling { source: None, problem: None };
        let host = Tiers { tiers: Vec::new() };
        let (problems, costs, balancer, cgroups) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
        Self {
            uptime,
            ticks,
            net_saved: 0,
            own: Bytes::ZERO,
            sampling,
            problems,
            host,
            costs,
            balancer,
            cgroups,
        }
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case("", "not understood")]
    #[case("{}", "missing field `version`")]
    #[case(r#"{"version":1}"#, "missing field")]
    #[case(r#"{"version":2}"#, "version 2")]
    #[case(r#"{"version":-1}"#, "not understood")]
    fn what_is_no_status_is_told(#[case] text: &str, #[case] expected: &str) {
        let error = Status::parse(text).unwrap_err().to_string();
        assert!(error.contains(expected), "{error}");
    }

    #[rstest]
    #[case("1.5", Some(Duration::from_millis(1500)))]
    #[case("0", Some(Duration::ZERO))]
    #[case("-1", None)]
    #[case("1e300", None)]
    #[case("null", None)]
    fn times(#[case] text: &str, #[case] expected: Option<Duration>) {
        #[derive(Deserialize)]
        struct Time {
            #[serde(deserialize_with = "seconds")]
            time: Duration,
        }
        let read = serde_json::from_str::<Time>(&format!("{{\"time\":{text}}}"));
        assert_eq!(read.ok().map(|read| read.time), expected);
    }
}
