//! Files of lowtide's own, in which nearly right means: with the right checksum.

use lowtide_history::Minute;

/// Records of a state file around lines of JSON, as `lowtide_journal::sealed` writes them.
pub(crate) fn sealed(lines: &[u8]) -> Vec<u8> {
    let lines: Vec<_> = lines.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()).collect();
    let header = format!(r#"{{"format":1,"records":{}}}"#, lines.len());
    std::iter::once(header.as_bytes()).chain(lines).flat_map(sealed_line).collect()
}

fn sealed_line(json: &[u8]) -> Vec<u8> {
    let sum = format!("{:08x} ", crc32fast::hash(json));
    [sum.as_bytes(), json, b"\n"].concat()
}

/// What a segment of the history begins with, and each frame of it.
const SEGMENT: &[u8] = b"lowtide history 1\n";
const MARK: [u8; 4] = [0xff, b'L', b'T', 0xfe];
const HEAD: usize = MARK.len() + 8;

/// A segment of one frame around a payload.
pub(crate) fn segment(payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).unwrap_or(u32::MAX).to_le_bytes();
    let sum = crc32fast::hash(&[&length, payload].concat()).to_le_bytes();
    [SEGMENT, &MARK, &length, &sum, payload].concat()
}

/// The payload of a segment's first frame.
pub(crate) fn payload(segment: &[u8]) -> Option<&[u8]> {
    segment.get(SEGMENT.len() + HEAD..)
}

/// A minute that has something of everything.
pub(crate) fn minute() -> Minute {
    use lowtide_core::{Bytes, Ratio};
    use lowtide_history::{Change, Host, Part, Tenant, TierFill};
    use std::time::Duration;

    let (size, name) = (Bytes::mib(9), "zram /dev/zram0");
    let fill = TierFill { name: name.into(), capacity: size, used: size, stored: size, resident: size };
    let part =
        Part { tier: name.into(), offloaded: size, resident: size, others: size, others_resident: size };
    Minute {
        end: 1_795_780_800,
        watched: Duration::from_mins(1),
        turns: 12,
        host: Host { total: size, least_free: size, own: size, tiers: vec![fill], ..Host::default() },
        tenants: vec![Tenant {
            path: "/web/api".into(),
            policy: "web".into(),
            turns: 12,
            dram: size,
            requested: size,
            effective: size,
            memory_stall: Some(Duration::from_millis(7)),
            memory_pressure_peak: Some(Ratio::new(0.01)),
            working_set: Some(size),
            parts: vec![part],
            ..Tenant::default()
        }],
        changes: vec![Change { path: "/web/api".into(), reason: 1, amount: size, ..Change::default() }],
    }
}
