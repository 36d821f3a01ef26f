//! ages: what /proc tells of a process, and the limits of zones.

use lowtide_ages::{
    damon::{process, ram},
    sampled::{rights, smaps},
};

use crate::{
    Parser,
    driver::{bytes, text},
    tree::tree,
};

pub(super) const PARSERS: &[Parser] = &[
    Parser {
        name: "ages/status",
        start: |corpus| {
            tree(corpus, &[("proc/7/status", &[STATUS])], |root| {
                matches!(process::resident(root, 7), Ok(Some(_)))
            })
        },
    },
    Parser {
        name: "ages/maps",
        start: |corpus| {
            tree(
                corpus,
                &[("proc/7/maps", &[MAPS])],
                |root| matches!(process::mappings(root, 7), Ok(Some(found)) if !found.is_empty()),
            )
        },
    },
    Parser {
        name: "ages/smaps",
        start: |_| {
            Ok(bytes("smaps", vec![SMAPS.as_bytes().to_vec()], |input| !smaps::parse(input).is_empty()))
        },
    },
    Parser {
        name: "ages/cgroup.procs",
        start: |_| Ok(text("cgroup.procs", vec![b"1\n117\n4194304\n".to_vec()], process::parse_pids)),
    },
    Parser {
        name: "ages/spans",
        start: |corpus| Ok(text("zoneinfo", corpus.ending("/proc/zoneinfo"), ram::spans)),
    },
    Parser {
        name: "ages/capabilities",
        start: |corpus| {
            tree(corpus, &[("proc/self/status", &[STATUS]), ("proc/self/pagemap", &["x"])], |root| {
                rights::refusal(root).is_ok()
            })
        },
    },
];

const STATUS: &str = "Name:\tweb\nUmask:\t0022\nState:\tS (sleeping)\nPid:\t7\nVmRSS:\t    9000 kB\nRssAnon:\t    5000 kB\nRssFile:\t    3000 kB\nRssShmem:\t    1000 kB\nCapEff:\t000001ffffffffff\n";
const MAPS: &str = "00400000-00452000 r-xp 00000000 08:02 173521      /usr/bin/dbus-daemon\n00651000-00652000 rw-p 00051000 08:02 173521      /usr/bin/dbus-daemon\n7f0000000000-7f0000100000 ---p 00000000 00:00 0\n7fff0000-7fff2000 rw-p 00000000 00:00 0          [stack]\nffffffffff600000-ffffffffff601000 --xp 00000000 00:00 0                  [vsyscall]\n";
const SMAPS: &str = "00400000-00452000 r-xp 00000000 08:02 173521      /usr/bin/dbus-daemon\nSize:                328 kB\nRss:                 300 kB\nPss:                 150 kB\n7fff0000-7fff2000 rw-p 00000000 00:00 0          [stack]\nSize:                  8 kB\nRss:                   8 kB\nPss:                   8 kB\n";
