use lowtide_core::Bytes;
use lowtide_kernfs::{
    Fault,
    parse::{Keyed, keyed},
};

/// A zone of a node in /proc/zoneinfo; what the text does not have is `None`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Zone {
    /// The number of its node.
    pub node: u32,
    /// `DMA`, `DMA32`, `Normal`, `Movable` or `Device`.
    pub name: String,
    /// Free pages.
    pub free: Option<Bytes>,
    /// What is added to all three watermarks for a while, against fragmentation (`watermark_boost`; shown
    /// from 5.14 on).
    pub boost: Option<Bytes>,
    /// Below it everybody but who may use the reserves reclaims before getting a page.
    pub min: Option<Bytes>,
    /// Below it kswapd wakes up.
    pub low: Option<Bytes>,
    /// Up to it kswapd goes on.
    pub high: Option<Bytes>,
    /// What the zone gives out; nothing for one that is there by name alone, such as Movable without
    /// hot-plugged memory.
    pub managed: Bytes,
    /// Free pages on the lists of single processors, which are not among `free`: up to an eighth of the zone,
    /// right after much was freed (`zone_highsize`, mm/page_alloc.c of 6.7 and later).
    pub on_processors: Bytes,
    /// Its node's kswapd has given up: after 16 runs that reclaimed nothing (MAX_RECLAIM_RETRIES,
    /// mm/internal.h).
    pub gave_up: bool,
}

/// The zones of /proc/zoneinfo, node by node.
///
/// The first lines of a node are the node's own and have no watermark; the per-CPU lists of a zone have a
/// `high:`, with a colon, and from 6.7 `high_min:`: of each name the first line counts. Pages as everywhere.
pub fn zones(text: &str) -> Result<Vec<Zone>, Fault> {
    let mut zones: Vec<Zone> = Vec::new();
    for line in keyed(text) {
        if line.key == "Node" {
            zones.push(begin(&line)?);
        } else if let Some(zone) = zones.last_mut() {
            zone.take(&line)?;
        }
    }
    Ok(zones)
}

/// `Node 0, zone   Normal`.
fn begin(line: &Keyed<'_>) -> Result<Zone, Fault> {
    let fault = || Fault::new(line.line, line.value, "`N, zone NAME`");
    let (node, name) = line.value.split_once(", zone").ok_or_else(fault)?;
    let node = node.parse().map_err(|_| fault())?;
    Ok(Zone { node, name: name.trim_ascii().to_owned(), ..Zone::default() })
}

impl Zone {
    fn take(&mut self, line: &Keyed<'_>) -> Result<(), Fault> {
        let (into, line) = match line.key {
            "pages" => match line.value.strip_prefix("free") {
                Some(rest) => (&mut self.free, Keyed { value: rest.trim_ascii(), ..*line }),
                None => return Ok(()),
            },
            "boost" => (&mut self.boost, *line),
            "min" => (&mut self.min, *line),
            "low" => (&mut self.low, *line),
            "high" => (&mut self.high, *line),
            "managed" => {
                self.managed = line.pages()?;
                return Ok(());
            }
            "count" => {
                // Read while it changes, and no decision is made from it: an odd one is none.
                self.on_processors += line.pages().unwrap_or_default();
                return Ok(());
            }
            "node_unreclaimable" => {
                self.gave_up = line.number()? != 0;
                return Ok(());
            }
            _ => return Ok(()),
        };
        if into.is_none() {
            *into = Some(line.pages()?);
        }
        Ok(())
    }
}

/// The sum of the low watermarks in /proc/zoneinfo, over the zones of all nodes that manage any pages: below
/// it kswapd wakes up.
pub fn low_watermark(text: &str) -> Result<Bytes, Fault> {
    with_low_watermark(text).map(|(low, _)| low)
}

/// The same, with the zones.
pub(crate) fn with_low_watermark(text: &str) -> Result<(Bytes, Vec<Zone>), Fault> {
    let zones = zones(text)?;
    let lows = zones.iter().filter(|zone| !zone.managed.is_zero()).filter_map(|zone| zone.low);
    let sum = lows.reduce(|sum, low| sum + low);
    let sum = sum.ok_or_else(|| Fault::whole(text, "zoneinfo with a zone's `low` and `managed`"))?;
    Ok((sum, zones))
}

#[cfg(test)]
#[path = "zoneinfo_tests.rs"]
mod tests;
