//! host, and the forms that all kernel files share.

use anyhow::Result;
use lowtide_host::{Counters, Kswapds, Meminfo, Processors, Vmstat, free_pieces, low_watermark, zones};
use lowtide_kernfs::{Root, parse};

use crate::{
    Corpus, Driver, Parser,
    driver::{bytes, text},
    tree::tree,
};

pub(super) const PARSERS: &[Parser] = &[
    Parser { name: "kernfs/values", start: |corpus| Ok(values(corpus)) },
    Parser {
        name: "host/meminfo",
        start: |corpus| Ok(text("meminfo", corpus.ending("/proc/meminfo"), Meminfo::parse)),
    },
    Parser {
        name: "host/vmstat",
        start: |corpus| Ok(text("vmstat", corpus.ending("/proc/vmstat"), Vmstat::parse)),
    },
    Parser {
        name: "host/counters",
        start: |corpus| Ok(text("vmstat", corpus.ending("/proc/vmstat"), Counters::parse)),
    },
    Parser {
        name: "host/zoneinfo",
        start: |corpus| Ok(text("zoneinfo", corpus.ending("/proc/zoneinfo"), zoneinfo)),
    },
    Parser {
        name: "host/kswapd",
        start: |corpus| {
            tree(corpus, &[("proc/41/stat", &[KSWAPD])], |root| {
                Kswapds::default().read(root).is_ok_and(|found| !found.is_empty())
            })
        },
    },
    Parser {
        name: "host/buddyinfo",
        start: |_| Ok(text("buddyinfo", vec![BUDDYINFO.as_bytes().to_vec()], free_pieces)),
    },
    Parser {
        name: "host/ksm",
        start: |corpus| tree(corpus, KSM, |root| lowtide_host::ksm(root).is_ok_and(|seen| seen.is_some())),
    },
    Parser { name: "host/processors", start: |corpus| tree(corpus, PROCESSORS, processors) },
];

const KSWAPD: &str =
    "41 (kswapd0) S 2 0 0 0 -1 10758144 0 0 0 0 7 11 0 0 20 0 1 0 12 0 0 18446744073709551615 0 0\n";
const BUDDYINFO: &str = "Node 0, zone      DMA      0      0      0      0      0      0      0      0      0      1      3 \n\
     Node 0, zone   Normal    216     55    189    101     84     38     37     27      5      3    587 \n";
const KSM: &[(&str, &[&str])] = &[
    ("sys/kernel/mm/ksm/general_profit", &["-204800\n", "4096\n"]),
    ("sys/kernel/mm/ksm/full_scans", &["7\n"]),
];
const PROCESSORS: &[(&str, &[&str])] = &[
    ("sys/devices/system/node/has_cpu", &["0-1\n", "0\n"]),
    ("sys/devices/system/node/online", &["0-2,5\n"]),
    ("sys/devices/system/node/node0/cpulist", &["0-1,4-5\n"]),
    ("sys/devices/system/node/node1/cpulist", &["2-3\n"]),
    ("sys/devices/system/node/node2/distance", &["24 17 10 20\n"]),
];

fn zoneinfo(text: &str) -> Result<(), lowtide_kernfs::Fault> {
    // Whatever one of them says, the other is asked.
    let (zones, low) = (zones(text), low_watermark(text));
    zones.and(low).map(drop)
}

fn processors(root: &Root) -> bool {
    Processors::read(root).is_ok_and(|found| found.is_some_and(|found| !found.near(2).is_empty()))
}

/// A file of one value, of each form.
fn values(corpus: &Corpus) -> Driver {
    let mut seeds = corpus.ending("/memory.swap.max");
    for ending in ["/memory.current", "/initstate", "/has_cpu", "/bd_stat", "/mm_stat"] {
        seeds.extend(corpus.ending(ending));
    }
    seeds.extend(["0-3,5,9-11\n", "4096\n", "Y\n", r"/a\040b\134"].map(|text| text.as_bytes().to_vec()));
    bytes("value", seeds, |input| {
        let unescaped = parse::unescape(input);
        let Ok(text) = std::str::from_utf8(input) else { return false };
        let forms = [
            parse::integer(text).is_ok(),
            parse::limit(text).is_ok(),
            parse::switch(text).is_ok(),
            parse::columns::<4>(text).is_ok(),
            parse::list(text).is_ok(),
            parse::micros(1, text).is_ok(),
            parse::keyed(text).all(|line| line.kib().is_ok() || line.pages().is_ok() || line.flag().is_ok()),
        ];
        unescaped.len() <= input.len() && forms.contains(&true)
    })
}
