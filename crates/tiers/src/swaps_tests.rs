use proptest::prelude::*;
use rstest::rstest;

use super::*;

const SWAPS: &str = "Filename\t\t\t\tType\t\tSize\t\tUsed\t\tPriority\n\
    /dev/zram0                              partition\t1048572\t\t2048\t\t100\n\
    /my\\040swap\\011file\\134                   file\t\t524284\t\t0\t\t-2\n\
    /gone\\040(deleted)                      file\t\t8\t\t4\t\t-3\n";

#[test]
fn devices_in_the_order_of_the_file() {
    let devices = parse_swaps(SWAPS).unwrap();
    let zram = SwapDevice {
        path: "/dev/zram0".into(),
        deleted: false,
        size: Bytes::kib(1_048_572),
        used: Bytes::kib(2048),
        priority: 100,
    };
    assert_eq!(devices[0], zram);
    assert_eq!((devices[1].path.as_str(), devices[1].priority), ("/my swap\tfile\\", -2));
    assert_eq!((devices[2].path.as_str(), devices[2].deleted), ("/gone", true));
    assert_eq!(devices.len(), 3);
}

#[rstest]
#[case::no_swap("Filename\t\t\t\tType\t\tSize\t\tUsed\t\tPriority\n", Some(0))]
#[case::empty("", Some(0))]
#[case::blank_line("\n/dev/sda2 partition 8 0 -2\n", Some(1))]
#[case::more_columns("/dev/sda2 partition 8 0 -2 something\n", Some(1))]
#[case::not_utf8("/bad\\377 partition 8 0 -2\n", Some(1))]
#[case::truncated("/dev/sda2 partition 8", None)]
#[case::max("/dev/sda2 partition max 0 -2\n", None)]
#[case::overflow("/dev/sda2 partition 18446744073709551616 0 -2\n", None)]
#[case::huge_priority("/dev/sda2 partition 8 0 9999999999\n", None)]
#[case::negative("/dev/sda2 partition -8 0 1\n", None)]
#[case::garbage("\u{0}\u{1}\n", None)]
fn matrix(#[case] text: &str, #[case] expected: Option<usize>) {
    assert_eq!(parse_swaps(text).ok().map(|devices| devices.len()), expected);
}

#[rstest]
#[case("/dev/zram0", Some("zram0"))]
#[case("/dev/block/zram12", Some("zram12"))]
#[case("/dev/mapper/zram0", None)]
#[case("/dev/zram", None)]
#[case("/dev/zramx", None)]
#[case("/dev/zram0p1", None)]
#[case("/zram0/swapfile", None)]
#[case("", None)]
fn which_is_zram(#[case] path: &str, #[case] expected: Option<&str>) {
    let device =
        SwapDevice { path: path.into(), deleted: false, size: Bytes::ZERO, used: Bytes::ZERO, priority: 0 };
    assert_eq!(device.zram(), expected);
}

#[test]
fn a_kernel_without_swap_has_no_file() {
    let tree = tempfile::tempdir().unwrap();
    assert_eq!(swaps(&Root::open(tree.path()).unwrap()), Ok(vec![]));
}

proptest! {
    #[test]
    fn no_text_panics(text in any::<String>()) {
        let _ = parse_swaps(&text);
    }

    #[test]
    fn no_damage_to_a_real_file_panics(at in 0..SWAPS.len(), with in any::<char>()) {
        let mut text = SWAPS.to_owned();
        text.replace_range(at..=at, &with.to_string());
        let _ = (parse_swaps(&text), parse_swaps(&SWAPS[..at]));
    }
}
