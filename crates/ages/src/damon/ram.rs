//! Which physical addresses are memory.

use lowtide_damon::{AddressRange, Error, system_ram};
use lowtide_kernfs::{Fault, Files, Root, parse::number};

const ZONEINFO: &str = "proc/zoneinfo";
/// Zones count in pages. Debian's and all other common kernels of 64-bit x86 have these; elsewhere
/// /proc/iomem is needed.
const PAGE: u64 = 4096;

/// System RAM by /proc/iomem, or without CAP_SYS_ADMIN, which sees only zeros there, the spans of the zones:
/// these include holes, which DAMON finds no pages in.
pub(super) fn ranges(root: &Root) -> Result<Vec<AddressRange>, Error> {
    match system_ram(root) {
        Err(Error::NotPermitted { .. }) if cfg!(target_arch = "x86_64") => {
            root.parse(ZONEINFO, spans).map_err(Into::into)
        }
        other => other,
    }
}

/// The spans of all zones in /proc/zoneinfo, joined where they meet or overlap, as those of two nodes may.
pub fn spans(text: &str) -> Result<Vec<AddressRange>, Fault> {
    let mut spanned = 0;
    let mut spans = Vec::new();
    for (index, line) in text.lines().enumerate() {
        let mut words = line.split_ascii_whitespace();
        match (words.next(), words.next()) {
            (Some("spanned"), Some(pages)) => spanned = number(index + 1, pages)?,
            (Some("start_pfn:"), Some(first)) => {
                let first = number(index + 1, first)?;
                let end = first.saturating_add(spanned);
                spans.extend(AddressRange::new(first.saturating_mul(PAGE), end.saturating_mul(PAGE)));
            }
            _ => {}
        }
    }
    spans.sort_unstable();
    if spans.is_empty() { Err(Fault::whole(text, "zones with memory")) } else { Ok(joined(spans)) }
}

fn joined(spans: Vec<AddressRange>) -> Vec<AddressRange> {
    let mut joined: Vec<AddressRange> = Vec::with_capacity(spans.len());
    for span in spans {
        let last = joined.last_mut().filter(|last| last.end() >= span.start());
        let both = last.as_ref().and_then(|last| AddressRange::new(last.start(), last.end().max(span.end())));
        match (last, both) {
            (Some(last), Some(both)) => *last = both,
            _ => joined.push(span),
        }
    }
    joined
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "\
Node 0, zone      DMA
        spanned  4095
        present  3998
  start_pfn:           1
Node 0, zone   Movable
        spanned  0
  start_pfn:           0
Node 1, zone   Normal
        spanned  100
  start_pfn:           9000
Node 0, zone    DMA32
        spanned  1000
  start_pfn:           4096
Node 2, zone    Normal
        spanned  50
  start_pfn:           9020
";

    fn range(first: u64, end: u64) -> AddressRange {
        AddressRange::new(first * PAGE, end * PAGE).unwrap()
    }

    #[test]
    fn zones_that_meet_are_one() {
        assert_eq!(spans(TEXT), Ok(vec![range(1, 5096), range(9000, 9100)]));
        assert!(spans("").is_err());
        assert_eq!(spans("spanned x\n").unwrap_err().line, 1);
    }

    #[test]
    fn hidden_addresses_are_made_up_for() {
        let tree = tempfile::tempdir().unwrap();
        std::fs::create_dir(tree.path().join("proc")).unwrap();
        std::fs::write(tree.path().join("proc/iomem"), "00000000-00000000 : System RAM\n").unwrap();
        std::fs::write(tree.path().join(ZONEINFO), TEXT).unwrap();
        assert_eq!(ranges(&Root::open(tree.path()).unwrap()).unwrap().len(), 2);
    }
}
