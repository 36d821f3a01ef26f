use proptest::prelude::*;
use rstest::rstest;

use super::*;

fn parse(text: &[u8]) -> (Vec<SwapDevice>, LeftOut) {
    let tree = tempfile::tempdir().unwrap();
    std::fs::create_dir(tree.path().join("proc")).unwrap();
    std::fs::write(tree.path().join(SWAPS), text).unwrap();
    let mut left_out = LeftOut::default();
    let devices = swaps(&Root::open(tree.path()).unwrap(), &mut left_out).unwrap();
    (devices, left_out)
}

const TEXT: &str = "Filename\t\t\t\tType\t\tSize\t\tUsed\t\tPriority\n\
    /dev/zram0                              partition\t1048572\t\t2048\t\t100\n\
    /my\\040swap\\011file\\134                   file\t\t524284\t\t0\t\t-2\n\
    /gone\\040(deleted)                      file\t\t8\t\t4\t\t-3\n";

#[test]
fn devices_in_the_order_of_the_file() {
    let (devices, _) = parse(TEXT.as_bytes());
    let zram = SwapDevice {
        path: "/dev/zram0".into(),
        kind: SwapKind::Partition,
        deleted: false,
        size: Bytes::kib(1_048_572),
        used: Bytes::kib(2048),
        priority: 100,
    };
    assert_eq!(devices[0], zram);
    assert_eq!((devices[1].path.to_str(), devices[1].priority), (Some("/my swap\tfile\\"), -2));
    assert_eq!((devices[2].path.to_str(), devices[2].deleted), (Some("/gone"), true));
    assert_eq!((devices[1].kind, devices[2].shown()), (SwapKind::File, "/gone (deleted)".to_owned()));
    assert!(!devices[2].is_at(Path::new("/gone")) && devices[0].is_at(Path::new("/dev/zram0")));
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
    let (devices, left_out) = parse(text.as_bytes());
    assert_eq!(
        (devices.len(), left_out.count(Kind::Line)),
        (expected.unwrap_or(0), u64::from(expected.is_none()))
    );
}

/// Kind 4: a name that is no UTF-8, and a line that is no device, say nothing about the others.
#[test]
fn a_foreign_line_is_passed_over_and_a_name_need_not_be_text() {
    let (devices, left_out) = parse(b"/caf\xe9 file 8 0 -2\n/x file many 0 -3\n/dev/sda2 partition 8 0 -4\n");
    let paths: Vec<_> = devices.iter().map(|device| device.path.as_os_str().as_bytes()).collect();
    assert_eq!(paths, [&b"/caf\xe9"[..], b"/dev/sda2"]);
    assert_eq!(devices[0].shown(), r"/caf\xe9");
    let why = &left_out.named()[0].why;
    assert!(why.ends_with("/proc/swaps:2: `many` is not a whole number"), "{why}");
}

#[rstest]
#[case("/dev/zram0", Some("zram0"))]
#[case("/dev/block/zram12", Some("zram12"))]
#[case("/dev/mapper/zram0", None)]
#[case("/dev/zram", None)]
#[case("/dev/zramx", None)]
#[case("/dev/zram0p1", None)]
#[case("/zram0/swapfile", None)]
#[case("/tmp/zram0", None)]
fn which_is_zram(#[case] path: &str, #[case] expected: Option<&str>) {
    let (devices, _) = parse(format!("{path} partition 8 0 1\n").as_bytes());
    assert_eq!(devices.first().and_then(SwapDevice::zram), expected);
    // Kind 7: a file of that name.
    let (devices, _) = parse(format!("{path} file 8 0 1\n").as_bytes());
    assert_eq!(devices.first().and_then(SwapDevice::zram), None);
}

#[test]
fn a_kernel_without_swap_has_no_file() {
    let tree = tempfile::tempdir().unwrap();
    assert_eq!(swaps(&Root::open(tree.path()).unwrap(), &mut LeftOut::default()), Ok(vec![]));
}

proptest! {
    #[test]
    fn no_line_panics(line in any::<Vec<u8>>()) {
        let _ = parse_line(1, &line);
    }

    #[test]
    fn no_damage_to_a_real_line_panics(at in 0..TEXT.len(), with in any::<u8>()) {
        let mut text = TEXT.as_bytes().to_owned();
        text[at] = with;
        for line in text.split(|byte| *byte == b'\n').chain([&text[..at]]) {
            let _ = parse_line(1, line);
        }
    }
}
