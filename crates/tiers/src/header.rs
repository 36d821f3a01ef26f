/// The label that tells `blkid` and `swapon --show` who formatted a device; 16 bytes at most.
const LABEL: &[u8] = b"lowtide";

/// The first page of a swap device of `pages` pages of `page_size` bytes, itself included: what mkswap(8)
/// writes.
///
/// From `union swap_header` of include/linux/swap.h (6.1 to 7.3): 1024 bytes for boot loaders, then version,
/// last page, number of bad pages, UUID, label; at the end of the page the magic. Numbers are in the
/// machine's byte order. A device of more than 2^32 pages is used as far as that.
#[must_use]
pub fn swap_header(page_size: usize, pages: u64) -> Vec<u8> {
    const INFO: usize = 1024;
    const VERSION: u32 = 1;
    const VOLUME: usize = INFO + 3 * 4 + 16;
    const MAGIC: &[u8] = b"SWAPSPACE2";
    let last_page = u32::try_from(pages.saturating_sub(1)).unwrap_or(u32::MAX);
    let mut header = vec![0; page_size];
    let mut put = |at: usize, bytes: &[u8]| {
        if let Some(place) = header.get_mut(at..at + bytes.len()) {
            place.copy_from_slice(bytes);
        }
    };
    put(INFO, &VERSION.to_ne_bytes());
    put(INFO + 4, &last_page.to_ne_bytes());
    put(VOLUME, LABEL);
    put(page_size.saturating_sub(MAGIC.len()), MAGIC);
    header
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Content, content};

    #[test]
    fn what_mkswap_writes() {
        let header = swap_header(4096, 256);
        assert_eq!(header.len(), 4096);
        assert_eq!(header[1024..1032], [[1, 0, 0, 0], [255, 0, 0, 0]].concat());
        assert_eq!(&header[1052..1059], b"lowtide");
        assert_eq!(&header[4086..], b"SWAPSPACE2");
        assert!(header[..1024].iter().all(|byte| *byte == 0));
        assert_eq!(content(&header, &[], 4096), Content::Swap);
    }

    #[test]
    fn more_pages_than_the_header_can_say() {
        assert_eq!(swap_header(4096, 1 << 40)[1028..1032], [0xff; 4]);
        assert_eq!(swap_header(4096, 0)[1028..1032], [0; 4]);
    }
}
