/// So much of a device's start is looked at. Every signature that [`content`] knows lies in it, and of what
/// it does not know, such as ZFS, Ceph or plain dm-crypt, something.
pub const START: usize = 1 << 20;

/// Stands at the start of a backing device of zram that lowtide took, and at the start of its last page: what
/// is between is pages of an earlier boot, which nobody needs. Up to 6.18 zram leaves the first page alone
/// (`alloc_block_bdev`, drivers/block/zram/zram_drv.c: its blocks count from 1); on 7.3 it was seen to begin
/// with it, and goes on to the last one only when the device is full.
pub const MARK: &[u8] = b"lowtide: a backing device of zram, version 1\n";

/// What is on a device, by its start.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Content {
    /// Nothing but zeros.
    Blank,
    /// [`MARK`], and what zram left.
    Marked,
    /// A swap header.
    Swap,
    /// A file system, a partition table, or a part of something.
    Other(&'static str),
    /// Something, nobody knows what.
    Unknown,
}

/// Name, place and bytes of signatures, from libblkid's probes and include/uapi/linux/magic.h: so that what
/// is most often found has a name. What is not among them is [`Content::Unknown`].
const SIGNATURES: [(&str, usize, &[u8]); 26] = [
    ("LUKS", 0, b"LUKS\xba\xbe"),
    ("xfs", 0, b"XFSB"),
    ("squashfs", 0, b"hsqs"),
    ("RAID", 0, b"\xfc\x4e\x2b\xa9"),
    ("bitlocker", 3, b"-FVE-FS-"),
    ("ntfs", 3, b"NTFS    "),
    ("exfat", 3, b"EXFAT   "),
    ("a partition table or FAT", 510, b"\x55\xaa"),
    ("LVM", 0, b"LABELONE"),
    ("LVM", 512, b"LABELONE"),
    ("LVM", 1024, b"LABELONE"),
    ("LVM", 1536, b"LABELONE"),
    ("a partition table", 512, b"EFI PART"),
    ("a partition table", 4096, b"EFI PART"),
    ("erofs", 1024, b"\xe2\xe1\xf5\xe0"),
    ("f2fs", 1024, b"\x10\x20\xf5\xf2"),
    ("ext4", 1080, b"\x53\xef"),
    ("RAID", 4096, b"\xfc\x4e\x2b\xa9"),
    ("bcache", 4120, b"\xc6\x85\x73\xf6\x4e\x1a\x45\xca\x82\x65\xf5\x7f\x48\xba\x6d\x81"),
    ("bcachefs", 4120, b"\xc6\x85\x73\xf6\x66\xce\x90\xa9\xd9\x6a\x60\xcf\x80\x3d\xf7\xef"),
    ("iso9660", 32_769, b"CD001"),
    ("jfs", 32_768, b"JFS1"),
    ("reiserfs", 65_588, b"ReIsEr"),
    ("btrfs", 65_600, b"_BHRfS_M"),
    ("gfs2", 65_536, b"\x01\x16\x19\x70"),
    ("minix", 1040, b"\x8f\x13"),
];

/// What a device holds that begins with `start`, [`START`] bytes of it if it has so many, and ends with the
/// page `end`.
///
/// A mark counts only beside no signature: some file systems leave a device's first page as they find it.
#[must_use]
pub fn content(start: &[u8], end: &[u8], page_size: usize) -> Content {
    let at = |place: usize, bytes: &[u8]| start.get(place..place + bytes.len()) == Some(bytes);
    if page_size > 10 && [&b"SWAPSPACE2"[..], b"SWAP-SPACE"].iter().any(|magic| at(page_size - 10, magic)) {
        return Content::Swap;
    }
    let found = SIGNATURES.iter().find(|(_, place, bytes)| at(*place, bytes));
    match found {
        Some((name, ..)) => Content::Other(name),
        None if at(0, MARK) || end.starts_with(MARK) => Content::Marked,
        None if start.iter().chain(end).all(|byte| *byte == 0) => Content::Blank,
        None => Content::Unknown,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_signature_is_found_in_its_place_only() {
        for (name, place, bytes) in SIGNATURES {
            assert!(place + bytes.len() <= START, "{name}");
            let mut start = vec![0; START];
            start[place..place + bytes.len()].copy_from_slice(bytes);
            assert_eq!(content(&start, &[], 4096), Content::Other(name));
            start.insert(0, 0);
            assert_ne!(content(&start, &[], 4096), Content::Other(name), "{name}");
        }
    }

    #[test]
    fn blank_short_and_random() {
        assert_eq!(content(&vec![0; START], &[], 4096), Content::Blank);
        assert_eq!(content(&[], &[], 4096), Content::Blank);
        assert_eq!(content(b"hello", &[], 4096), Content::Unknown);
    }

    #[test]
    fn what_is_not_zero_is_something() {
        for place in [0, 4095, 16 << 10, 128 << 10, START - 1] {
            let mut start = vec![0; START];
            start[place] = 1;
            assert_eq!(content(&start, &[], 4096), Content::Unknown, "{place}");
        }
    }

    #[test]
    fn a_mark_counts_whatever_zram_left_behind_it_but_not_beside_a_signature() {
        let mut start = vec![7; START];
        start[..4096].fill(0);
        start[..MARK.len()].copy_from_slice(MARK);
        assert_eq!(content(&start, &[], 4096), Content::Marked);
        start[65_600..65_608].copy_from_slice(b"_BHRfS_M");
        assert_eq!(content(&start, &[], 4096), Content::Other("btrfs"));
        let mut end = vec![0; 4096];
        assert_eq!(content(&vec![7; START], &end, 4096), Content::Unknown);
        end[..MARK.len()].copy_from_slice(MARK);
        assert_eq!(content(&vec![7; START], &end, 4096), Content::Marked);
        assert_eq!(content(&vec![0; START], &[1], 4096), Content::Unknown, "old RAID metadata, for one");
    }

    #[test]
    fn swap_of_another_page_size_is_none() {
        let header = crate::swap_header(65_536, 16);
        assert_eq!(content(&header, &[], 65_536), Content::Swap);
        assert_eq!(content(&header, &[], 4096), Content::Unknown);
    }
}
