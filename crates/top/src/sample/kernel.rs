use std::collections::BTreeMap;

use lowtide_core::{LeftOut, Tier, TierId, TierKind};
use lowtide_host::{Counter, Counters, Kswapds, Meminfo};
use lowtide_kernfs::{Files, Result, Root};
use lowtide_psi::Resource;
use lowtide_tiers::{Traffic, Zram};

use super::{Host, Pressure, TierSample};

/// Reads the host's files below one root.
#[derive(Debug, Clone)]
pub struct Kernel {
    root: Root,
    kswapds: Kswapds,
}

impl Kernel {
    /// Below `root`.
    #[must_use]
    pub fn new(root: Root) -> Self {
        Self { root, kswapds: Kswapds::default() }
    }

    /// The host now. Without /proc/meminfo there is nothing to show; what else cannot be read is left out,
    /// and named.
    pub fn look(&mut self) -> Result<Host> {
        let meminfo = self.root.parse("proc/meminfo", Meminfo::parse)?;
        let mut problems = Vec::new();
        let counters =
            keep(&mut problems, self.root.parse_optional("proc/vmstat", Counters::parse)).flatten();
        let counters = counters.unwrap_or_default();
        let zones =
            keep(&mut problems, self.root.parse_optional("proc/zoneinfo", lowtide_host::zones)).flatten();
        let mut zones = zones.unwrap_or_default();
        zones.retain(|zone| !zone.managed.is_zero());
        let kswapds = keep(&mut problems, self.kswapds.read(&self.root)).unwrap_or_default();
        let pressure = Pressure {
            memory: self.stall(Resource::Memory, &mut problems),
            io: self.stall(Resource::Io, &mut problems),
            cpu: self.stall(Resource::Cpu, &mut problems),
        };
        let tiers = self.tiers(&counters, &mut problems);
        Ok(Host { meminfo, counters, zones, kswapds, pressure, tiers, problems })
    }

    fn stall(&self, resource: Resource, problems: &mut Vec<String>) -> Option<lowtide_core::Stall> {
        keep(problems, lowtide_psi::read(&self.root, resource.host_file())).flatten()
    }

    fn tiers(&self, counters: &Counters, problems: &mut Vec<String>) -> Vec<TierSample> {
        let mut left_out = LeftOut::default();
        let tiers = keep(problems, lowtide_tiers::read(&self.root, &mut left_out)).unwrap_or_default();
        problems.extend(left_out.named().iter().map(|omission| omission.why.clone()));
        let of_kind = tiers.iter().fold(BTreeMap::new(), |mut count, tier| {
            *count.entry(tier.kind).or_insert(0) += 1;
            count
        });
        let alone = |kind| of_kind.get(&kind) == Some(&1);
        let traffic = |tier: &Tier| match (&tier.device, &tier.above) {
            (TierId::Zswap, _) => Ok(counted(counters, Counter::ZswapIn, Counter::ZswapOut)),
            // The kernel does not tell to which of several.
            (TierId::Node(_), _) if alone(TierKind::Node) => {
                Ok(counted(counters, Counter::Promoted, Counter::Demoted))
            }
            (TierId::Node(_), _) => Ok(None),
            (TierId::Device(_), Some(above)) => self.sunk(above),
            (TierId::Device(path), None) => lowtide_tiers::traffic(&self.root, path),
        };
        let sampled = tiers
            .iter()
            .map(|tier| TierSample { traffic: keep(problems, traffic(tier)).flatten(), tier: tier.clone() });
        sampled.collect()
    }

    /// What a zram device wrote to its backing device, and read from there.
    fn sunk(&self, zram: &TierId) -> Result<Option<Traffic>> {
        let Some(path) = zram.path() else { return Ok(None) };
        let zram = Zram::read(&self.root, path.trim_start_matches("/dev/"))?;
        Ok(zram.map(|zram| Traffic { read: zram.backing_read, written: zram.backing_written }))
    }
}

fn counted(counters: &Counters, read: Counter, written: Counter) -> Option<Traffic> {
    Some(Traffic { read: counters.bytes(read)?, written: counters.bytes(written)? })
}

/// The value, or a problem.
fn keep<T>(problems: &mut Vec<String>, read: Result<T>) -> Option<T> {
    read.map_err(|error| problems.push(error.to_string())).ok()
}

#[cfg(test)]
mod tests {
    use std::{fs, path::Path};

    use lowtide_core::Bytes;
    use rstest::rstest;

    use super::*;

    fn fixture(kernel: &str) -> Kernel {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/fixtures").join(kernel);
        Kernel::new(Root::open(path).unwrap())
    }

    #[rstest]
    #[case("6.1")]
    #[case("6.12")]
    #[case("6.18")]
    #[case("7.3")]
    fn each_captured_kernel(#[case] kernel: &str) {
        let host = fixture(kernel).look().unwrap();
        assert_eq!(host.problems, Vec::<String>::new());
        assert_eq!(host.zones.len(), 2);
        assert!(host.pressure.memory.is_some() && host.pressure.io.is_some() && host.pressure.cpu.is_some());
        let kinds: Vec<_> = host.tiers.iter().map(|sample| sample.tier.kind.name()).collect();
        assert_eq!(kinds, ["zswap", "zram", "disk", "disk"][..kinds.len()]);
        let zswap = host.tiers[0].traffic.unwrap();
        assert!(zswap.written > Bytes::mib(11) && zswap.read < Bytes::mib(1), "{zswap:?}");
    }

    #[test]
    fn one_file_that_is_not_understood_is_a_problem_and_no_end() {
        let tree = tempfile::tempdir().unwrap();
        fs::create_dir(tree.path().join("proc")).unwrap();
        fs::write(tree.path().join("proc/meminfo"), "MemTotal: 2 kB\nMemFree: 1 kB\n").unwrap();
        fs::write(tree.path().join("proc/vmstat"), "pgfree x\n").unwrap();
        let host = Kernel::new(Root::open(tree.path()).unwrap()).look().unwrap();
        assert_eq!(host.meminfo.total, Bytes::kib(2));
        assert_eq!(host.problems.len(), 1, "{:?}", host.problems);
        assert!(host.problems[0].contains("proc/vmstat:1"), "{:?}", host.problems);
    }

    #[test]
    fn without_meminfo_there_is_nothing() {
        let tree = tempfile::tempdir().unwrap();
        assert!(Kernel::new(Root::open(tree.path()).unwrap()).look().unwrap_err().is_missing());
    }
}
