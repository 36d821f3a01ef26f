/// So much of a device's start has every signature that [`content`] knows.
pub const START: usize = 68 << 10;

/// What is on a device, by the signatures at its start.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Content {
    /// None that is known.
    Unknown,
    /// A swap header.
    Swap,
    /// A file system, a partition table, or a part of something.
    Other(&'static str),
}

/// Name, place and bytes of signatures, from libblkid's probes and include/uapi/linux/magic.h. Not the few that stand at a
/// device's end only (old RAID metadata).
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

/// What a device holds that begins with `start`, [`START`] bytes of it if it has so many.
#[must_use]
pub fn content(start: &[u8], page_size: usize) -> Content {
    let at = |place: usize, bytes: &[u8]| start.get(place..place + bytes.len()) == Some(bytes);
    if page_size > 10 && [&b"SWAPSPACE2"[..], b"SWAP-SPACE"].iter().any(|magic| at(page_size - 10, magic)) {
        return Content::Swap;
    }
    let found = SIGNATURES.iter().find(|(_, place, bytes)| at(*place, bytes));
    found.map_or(Content::Unknown, |(name, ..)| Content::Other(name))
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
            assert_eq!(content(&start, 4096), Content::Other(name));
            start.insert(0, 0);
            assert_ne!(content(&start, 4096), Content::Other(name), "{name}");
        }
    }

    #[test]
    fn blank_short_and_random() {
        assert_eq!(content(&vec![0; START], 4096), Content::Unknown);
        assert_eq!(content(&[], 4096), Content::Unknown);
        assert_eq!(content(b"hello", 4096), Content::Unknown);
    }

    #[test]
    fn swap_of_another_page_size_is_none() {
        let header = crate::swap_header(65_536, 16);
        assert_eq!(content(&header, 65_536), Content::Swap);
        assert_eq!(content(&header, 4096), Content::Unknown);
    }
}
