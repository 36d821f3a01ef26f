//! Whether the host runs short of memory between two turns, for who swaps out meanwhile.

use lowtide_core::{Bytes, HostObservation};
use lowtide_host::Vmstat;
use lowtide_kernfs::{Files, Root};

/// What a turn has seen of the host.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct AtTurn {
    /// `allocstall_*`, all zones.
    stalls: Option<u64>,
    /// Sum of the low watermarks, without slower nodes.
    low: Bytes,
    /// Free memory of slower nodes.
    slow: Bytes,
}

impl AtTurn {
    /// What `host` was seen with.
    #[must_use]
    pub fn of(host: &HostObservation) -> Self {
        let slow = host.slow_nodes().map(|nodes| nodes.free).unwrap_or_default();
        Self { stalls: host.allocation_stalls, low: host.zones.iter().map(|zone| zone.low).sum(), slow }
    }

    /// Whether a task has reclaimed for itself since, and free memory is low. One file, since it is read
    /// between two chunks: a zone that is short beside others with plenty is seen at the next turn.
    pub fn is_short(self, root: &Root) -> bool {
        let Ok(Some(now)) = root.parse_optional("proc/vmstat", Vmstat::parse) else { return false };
        let stalled = self.stalls.zip(now.allocation_stalls).is_some_and(|(then, now)| now > then);
        // Of slower nodes it is not told again; little comes and goes there between two chunks.
        stalled && now.free.is_some_and(|free| free - self.slow < self.low)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use lowtide_core::scan_pressure::Zone;

    fn is_short(vmstat: &str) -> bool {
        let tree = tempfile::tempdir().unwrap();
        std::fs::create_dir(tree.path().join("proc")).unwrap();
        std::fs::write(tree.path().join("proc/vmstat"), vmstat).unwrap();
        let zone = |pages| Zone { low: Bytes::pages(pages), ..Zone::default() };
        let zones = vec![zone(10), zone(90)];
        let host = HostObservation { allocation_stalls: Some(4), zones, ..HostObservation::default() };
        AtTurn::of(&host).is_short(&Root::open(tree.path()).unwrap())
    }

    #[test]
    fn stalls_since_the_turn_count_while_free_memory_is_low() {
        assert!(is_short("nr_free_pages 99\nallocstall_normal 3\nallocstall_movable 2\n"));
        assert!(!is_short("nr_free_pages 100\nallocstall_normal 5\n"), "for contiguous memory");
        assert!(!is_short("nr_free_pages 1\nallocstall_normal 4\n"), "those of before");
        assert!(!is_short("nr_free_pages 1\npgsteal_direct 400\npgsteal_proactive 99\n"));
        assert!(!is_short("allocstall_normal 5\n"));
    }
}
