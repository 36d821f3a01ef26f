use super::*;
use lowtide_kernfs::Root;
use rstest::rstest;

const SECOND: Duration = Duration::from_secs(1);

fn tree() -> (tempfile::TempDir, Root) {
    let tree = tempfile::tempdir().unwrap();
    let root = Root::open(tree.path()).unwrap();
    (tree, root)
}

#[rstest]
#[case(PollFlags::POLLPRI, Event::Fired)]
#[case(PollFlags::POLLPRI | PollFlags::POLLERR, Event::Gone)]
#[case(PollFlags::POLLERR, Event::Gone)]
#[case(PollFlags::POLLHUP, Event::Gone)]
#[case(PollFlags::POLLNVAL, Event::Gone)]
#[case(PollFlags::empty(), Event::TimedOut)]
#[case(PollFlags::POLLIN, Event::TimedOut)]
fn events(#[case] revents: PollFlags, #[case] expected: Event) {
    assert_eq!(Event::from_revents(revents), expected);
}

#[test]
fn the_request_ends_in_nul_and_counts_microseconds() {
    let (tree, root) = tree();
    let file = tree.path().join("memory.pressure");
    std::fs::write(&file, "").unwrap();
    let trigger = Trigger::arm(&root, "memory.pressure", Kind::Some, SECOND / 10, 2 * SECOND).unwrap();
    assert_eq!(std::fs::read(&file).unwrap(), b"some 100000 2000000\0");
    assert_eq!(trigger.path(), file);
    drop(trigger);
    std::fs::write(&file, "").unwrap();
    Trigger::arm(&root, "memory.pressure", Kind::Full, SECOND, SECOND).unwrap();
    assert_eq!(std::fs::read(&file).unwrap(), b"full 1000000 1000000\0");
}

#[rstest]
#[case::no_stall(Duration::ZERO, SECOND)]
#[case::below_a_microsecond(Duration::from_nanos(999), SECOND)]
#[case::longer_than_the_window(2 * SECOND, SECOND)]
#[case::window_too_long(SECOND, 11 * SECOND)]
fn out_of_range_is_refused_before_the_kernel_sees_it(#[case] stall: Duration, #[case] window: Duration) {
    let (_tree, root) = tree();
    let error = Trigger::arm(&root, "memory.pressure", Kind::Some, stall, window).unwrap_err();
    assert!(matches!(error, ArmError::OutOfRange { .. }), "{error}");
}

#[test]
fn gone_is_not_off() {
    let (tree, root) = tree();
    let arm = || Trigger::arm(&root, "memory.pressure", Kind::Some, SECOND, SECOND).unwrap_err();
    assert!(matches!(arm(), ArmError::Gone { .. }));
    std::fs::write(tree.path().join("cgroup.controllers"), "memory\n").unwrap();
    assert!(matches!(arm(), ArmError::Off { .. }));
    assert!(!tree.path().join("memory.pressure").exists(), "never created");
}

#[rstest]
#[case(Errno::EPERM, 3, "multiple of 2 s")]
#[case(Errno::EACCES, 2, "multiple of 2 s")]
#[case(Errno::EINVAL, 3, "multiple of 2 s")]
#[case(Errno::EINVAL, 2, "cannot write")]
#[case(Errno::EBUSY, 2, "already")]
#[case(Errno::ENODEV, 2, "gone")]
#[case(Errno::EOPNOTSUPP, 2, "not measured")]
#[case(Errno::EIO, 2, "cannot write")]
fn answers_of_the_kernel(#[case] errno: Errno, #[case] window: u64, #[case] expected: &str) {
    let (_tree, root) = tree();
    let path = PathBuf::from("/x/memory.pressure");
    let error = Error::System { operation: Operation::Write, path: path.as_path().into(), errno };
    let message = refused(&root, error, path, SECOND, Duration::from_secs(window)).to_string();
    assert!(message.contains(expected), "{message}");
    assert!(message.contains("/x/memory.pressure"), "{message}");
}

#[test]
fn a_window_below_the_minimum_is_out_of_range() {
    let (_tree, root) = tree();
    let path = PathBuf::from("/x");
    let error =
        Error::System { operation: Operation::Write, path: path.as_path().into(), errno: Errno::EINVAL };
    let window = Duration::from_millis(499);
    assert!(matches!(refused(&root, error, path, window, window), ArmError::OutOfRange { .. }));
}
