use std::{path::Path, time::Duration};

use lowtide_core::Stall;
use lowtide_kernfs::{Errno, Fault, Files, Result, parse::micros};

/// The totals of a pressure file; `None` where pressure is not measured.
///
/// That is when there is no such file (no irq accounting, `cgroup.pressure` is 0, or a kernel without PSI),
/// and when PSI was switched off at boot, which the file says with EOPNOTSUPP (`psi_show`,
/// kernel/sched/psi.c).
///
/// A removed cgroup has no such file either; who has to tell the two apart asks whether the cgroup still
/// exists.
pub fn read(files: &impl Files, path: impl AsRef<Path>) -> Result<Option<Stall>> {
    match files.parse_record(path, parse) {
        Err(error) if error.errno() == Some(Errno::EOPNOTSUPP) => Ok(None),
        other => other,
    }
}

/// Understands `some avg10=… total=N` and `full …`, N in microseconds.
///
/// Without a `some` line (irq has none) `some` is what `full` is: when all wait, some do.
pub fn parse(text: &str) -> Result<Stall, Fault> {
    let (mut some, mut full) = (None, None);
    for (index, line) in text.lines().enumerate() {
        let mut words = line.split_ascii_whitespace();
        match words.next() {
            Some("some") => some = Some(total(index + 1, line, words)?),
            Some("full") => full = Some(total(index + 1, line, words)?),
            _ => {}
        }
    }
    let some = some.or(full).ok_or_else(|| Fault::whole(text, "a line `some … total=N` or `full …`"))?;
    Ok(Stall { some, full })
}

fn total<'a>(number: usize, line: &str, words: impl Iterator<Item = &'a str>) -> Result<Duration, Fault> {
    let mut totals = words.filter_map(|word| word.strip_prefix("total="));
    let word = totals.next().ok_or_else(|| Fault::new(number, line, "a line with `total=N`"))?;
    micros(number, word)
}

#[cfg(test)]
mod tests {
    use super::*;
    use lowtide_kernfs::Root;
    use proptest::prelude::*;
    use rstest::rstest;

    const BOTH: &str = "some avg10=0.22 avg60=0.17 avg300=1.11 total=58761459\n\
                        full avg10=0.22 avg60=0.16 avg300=1.08 total=58464525\n";

    fn stall(some: u64, full: Option<u64>) -> Stall {
        Stall { some: Duration::from_micros(some), full: full.map(Duration::from_micros) }
    }

    #[rstest]
    #[case::both(BOTH, Some(stall(58_761_459, Some(58_464_525))))]
    #[case::cpu_of_old_kernels("some avg10=0.00 avg60=0.00 avg300=0.00 total=7\n", Some(stall(7, None)))]
    #[case::irq("full avg10=0.00 avg60=0.00 avg300=0.00 total=9\n", Some(stall(9, Some(9))))]
    #[case::other_order("some total=5 avg10=1.00\n", Some(stall(5, None)))]
    #[case::unknown_line("most total=1\nsome total=5\n", Some(stall(5, None)))]
    #[case::largest("some total=18446744073709551615\n", Some(stall(u64::MAX, None)))]
    #[case::overflow("some total=18446744073709551616\n", None)]
    #[case::max("some total=max\n", None)]
    #[case::negative("some total=-1\n", None)]
    #[case::truncated_line("some", None)]
    #[case::truncated_word("some avg10=0.00 tot", None)]
    #[case::truncated_value("some avg10=0.00 total=\n", None)]
    #[case::garbage("\u{0}\u{1}\u{2}\n", None)]
    #[case::empty("", None)]
    fn pressure_files(#[case] text: &str, #[case] expected: Option<Stall>) {
        assert_eq!(parse(text).ok(), expected);
    }

    #[test]
    fn missing_is_none_and_a_fault_names_file_and_line() {
        let tree = tempfile::tempdir().unwrap();
        let root = Root::open(tree.path()).unwrap();
        assert_eq!(read(&root, "memory.pressure"), Ok(None));

        std::fs::write(tree.path().join("memory.pressure"), "some total=1\nfull total=x\n").unwrap();
        let message = read(&root, "memory.pressure").unwrap_err().to_string();
        assert!(message.ends_with("memory.pressure:2: `x` is not a number of microseconds"), "{message}");
    }

    proptest! {
        #[test]
        fn no_text_panics(text in any::<String>()) {
            let _ = parse(&text);
        }

        #[test]
        fn no_mutation_of_a_real_file_panics(at in 0..BOTH.len(), with in any::<char>()) {
            let mut text = BOTH.to_owned();
            text.replace_range(at..=at, &with.to_string());
            let _ = parse(&text);
            let _ = parse(&BOTH[..at]);
        }
    }
}
