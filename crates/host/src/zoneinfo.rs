use lowtide_core::Bytes;
use lowtide_kernfs::{Fault, parse::keyed};

/// The sum of the low watermarks in /proc/zoneinfo, over the zones of all nodes that manage any pages.
///
/// Below it kswapd wakes up. The first lines of a node are the node's own and have no watermark; the per-CPU lists
/// of a zone have a `high:`, with a colon, and from 6.7 `high_min:`, but no `low`. Pages as everywhere.
pub fn low_watermark(text: &str) -> Result<Bytes, Fault> {
    let mut zones = Zones::default();
    for line in keyed(text) {
        match line.key {
            "Node" => zones.next(),
            "low" if zones.low.is_none() => zones.low = Some(line.pages()?),
            "managed" => zones.managed = line.number()? > 0,
            _ => {}
        }
    }
    zones.next();
    if zones.any {
        Ok(zones.sum)
    } else {
        Err(Fault::whole(text, "zoneinfo with a zone's `low` and `managed`"))
    }
}

#[derive(Default)]
struct Zones {
    sum: Bytes,
    any: bool,
    low: Option<Bytes>,
    managed: bool,
}

impl Zones {
    /// Closes the zone that was read.
    fn next(&mut self) {
        if let (Some(low), true) = (self.low.take(), self.managed) {
            self.sum += low;
            self.any = true;
        }
        self.managed = false;
    }
}
