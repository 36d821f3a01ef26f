use lowtide_kernfs::Files;
use lowtide_tiers::SwapDevice;

use crate::{
    build::Built,
    finding::{Evidence, Feature, Finding, Verdict},
    sight::{Look, Sight},
    tiers::feature,
};

const CONTROL: &str = "sys/class/zram-control";

const ZRAM: Feature = feature(
    "zram",
    "compressed DRAM as a swap device: the fastest one; what it stores and takes is measured",
    "swap is a disk, or there is none",
);
const WRITEBACK: Feature = feature(
    "zram_writeback",
    "the balancer: the coldest pages of zram move to its backing device, and count as saved in full",
    "what is in zram keeps its compressed size in DRAM",
);
const AGES: Feature = feature(
    "zram_idle_ages",
    "the balancer: which of zram's pages have long been idle",
    "it marks all pages and waits",
);

pub(crate) fn findings(sight: &Sight, devices: &[SwapDevice]) -> Vec<Finding> {
    let names: Vec<&str> = devices.iter().filter_map(SwapDevice::zram).collect();
    vec![zram(sight, &names), writeback(sight, &names), ages(sight, &names)]
}

fn zram(sight: &Sight, names: &[&str]) -> Finding {
    if !names.is_empty() {
        return ZRAM.finding(Verdict::Yes, vec![Evidence::new("proc/swaps", names.join(", "))]);
    }
    let mut evidence = vec![Evidence::new("proc/swaps", "no zram device")];
    let enable = "modprobe zram; zramctl --find --size 4G --algorithm zstd; mkswap and swapon the device";
    if sight.root.exists(CONTROL).unwrap_or(false) {
        evidence.push(Evidence::new(CONTROL, "there"));
        return ZRAM.finding(Verdict::Partly(enable.to_owned()), evidence);
    }
    evidence.push(Evidence::new(CONTROL, "not there: the module is not loaded"));
    match sight.build.option("ZRAM") {
        Built::Out(out) => {
            evidence.push(out);
            ZRAM.finding(Verdict::No("take a kernel with CONFIG_ZRAM=m".to_owned()), evidence)
        }
        built => {
            evidence.extend(built.evidence());
            ZRAM.finding(Verdict::No(enable.to_owned()), evidence)
        }
    }
}

fn writeback(sight: &Sight, names: &[&str]) -> Finding {
    let looks: Vec<_> =
        names.iter().map(|name| sight.look(format!("sys/block/{name}/backing_dev"))).collect();
    let evidence: Vec<_> = looks.iter().map(Look::evidence).collect();
    let without_device = "write a block device to backing_dev before disksize, that is before swapon";
    let verdict = match looks.iter().find_map(|look| look.text()) {
        Some(_) if looks.iter().all(|look| look.text().is_some_and(|text| text != "none")) => Verdict::Yes,
        Some(_) => Verdict::Partly(without_device.to_owned()),
        None if names.is_empty() => return built(sight, WRITEBACK, "ZRAM_WRITEBACK"),
        None => Verdict::No("take a kernel with CONFIG_ZRAM_WRITEBACK=y".to_owned()),
    };
    WRITEBACK.finding(verdict, evidence)
}

/// block_state is there with CONFIG_ZRAM_MEMORY_TRACKING. CONFIG_ZRAM_TRACK_ENTRY_ACTIME (6.8 and later)
/// alone has the ages too, and no file.
fn ages(sight: &Sight, names: &[&str]) -> Finding {
    let files = names.iter().map(|name| format!("sys/kernel/debug/zram/{name}/block_state"));
    for file in files {
        if sight.root.exists(&file).unwrap_or(false) {
            return AGES.finding(Verdict::Yes, vec![Evidence::new(file, "there")]);
        }
    }
    let by_time = sight.build.option("ZRAM_TRACK_ENTRY_ACTIME");
    if by_time.is_in() {
        return AGES.finding(Verdict::Yes, by_time.evidence().into_iter().collect());
    }
    built(sight, AGES, "ZRAM_MEMORY_TRACKING")
}

/// Where no device shows it: how the kernel was built.
fn built(sight: &Sight, feature: Feature, option: &str) -> Finding {
    let enable = format!("take a kernel with CONFIG_{option}=y");
    match sight.build.option(option) {
        Built::In(evidence) => feature.finding(Verdict::Yes, vec![evidence]),
        Built::Out(evidence) => feature.finding(Verdict::No(enable), vec![evidence]),
        Built::Unsaid => feature
            .finding(Verdict::Unknown(enable), vec![Evidence::new(CONTROL, "no device in use shows it")]),
    }
}
