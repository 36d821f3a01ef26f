//! What could not be read, and was left out so that all else could be looked at.

use std::sync::Arc;

use crate::{
    crowded::who_goes,
    escape::{escaped, escaped_bytes},
    share::interleaved,
};

/// So many of each kind are named; the rest is counted. The subtrees at each level of the hierarchy have as
/// many each: a tenant that has thousands of odd things keeps nobody else's from being told.
const NAMED: usize = 16;

/// What was left out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// A cgroup: it is no target in this turn.
    Cgroup,
    /// A swap device, a zram device, a disk, a node.
    Device,
    /// A process: none of its pages is sampled.
    Process,
    /// A line of one of the host's lists.
    Line,
    /// A size beyond what the host has: it counts as all that the host has.
    Value,
    /// What a cgroup has for its policy in `user.lowtide_policy`, or its pod in `lowtide.io/policy`: nothing
    /// that it may choose. It keeps the policy that it has.
    Choice,
    /// Whose a container's cgroup is: it is in no namespace that a policy could name.
    Pod,
}

impl Kind {
    /// Each of them.
    pub const ALL: [Self; 7] =
        [Self::Cgroup, Self::Device, Self::Process, Self::Line, Self::Value, Self::Choice, Self::Pod];

    /// The label in metrics.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Cgroup => "cgroup",
            Self::Device => "device",
            Self::Process => "process",
            Self::Line => "line",
            Self::Value => "value",
            Self::Choice => "choice",
            Self::Pod => "pod",
        }
    }
}

/// One of them, with its name.
#[derive(Debug, Clone, PartialEq, Eq, Hash, serde::Serialize)]
pub struct Omission {
    /// What it is.
    pub kind: Kind,
    /// Which one and why, fit for a terminal.
    pub why: String,
    /// The cgroup that it belongs to; empty if it is the host's.
    #[serde(skip)]
    pub of: Arc<str>,
}

/// All that was left out of one look. However many there are, it stays small: a tenant chooses how many.
#[derive(Debug, Clone, Default, PartialEq, Eq, serde::Serialize)]
pub struct LeftOut {
    #[serde(serialize_with = "by_name")]
    counts: [u64; Kind::ALL.len()],
    named: Vec<Omission>,
}

/// A name is as long as a tenant likes; both of its ends say most.
fn shortened(why: String) -> String {
    const END: usize = 256;
    let count = why.chars().count();
    if count <= 2 * END {
        return why;
    }
    let (begin, end) = (why.chars().take(END), why.chars().skip(count - END));
    begin.chain(" … ".chars()).chain(end).collect()
}

/// One for each kind, in the order of [`Kind::ALL`].
fn by_name<S: serde::Serializer>(counts: &[u64; Kind::ALL.len()], serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_map(Kind::ALL.iter().map(|kind| kind.name()).zip(counts))
}

impl LeftOut {
    /// Counts one of the host, which `why` names.
    pub fn add(&mut self, kind: Kind, why: &str) {
        self.add_of("", kind, why);
    }

    /// Counts one of the cgroup at `path`, or below it.
    pub fn add_of(&mut self, path: &str, kind: Kind, why: &str) {
        self.add_unnamed(kind, 1);
        if let Some(place) = self.place(kind, path) {
            self.name(place, Omission { kind, why: shortened(escaped(why).into_owned()), of: path.into() });
        }
    }

    /// As [`add_of`](Self::add_of), of something whose name is no text.
    pub fn add_bytes(&mut self, path: &str, kind: Kind, name: &[u8], why: &str) {
        self.add_unnamed(kind, 1);
        if let Some(place) = self.place(kind, path) {
            let why = format!("{}: {}", escaped_bytes(name), escaped(why));
            self.name(place, Omission { kind, why: shortened(why), of: path.into() });
        }
    }

    /// Counts more of which nobody knows the name.
    pub fn add_unnamed(&mut self, kind: Kind, count: u64) {
        let sum = &mut self.counts[kind as usize];
        *sum = sum.saturating_add(count);
    }

    /// What `result` has; nothing, and one more that was left out, if it is an error.
    pub fn unless<T, E: std::fmt::Display>(&mut self, kind: Kind, result: Result<T, E>) -> Option<T> {
        self.unless_of("", kind, result)
    }

    /// The same of the cgroup at `path`.
    pub fn unless_of<T, E: std::fmt::Display>(
        &mut self,
        path: &str,
        kind: Kind,
        result: Result<T, E>,
    ) -> Option<T> {
        result.map_err(|error| self.add_of(path, kind, &error.to_string())).ok()
    }

    /// Takes in what was left out elsewhere.
    pub fn join(&mut self, other: Self) {
        for kind in Kind::ALL {
            self.add_unnamed(kind, other.count(kind));
        }
        for omission in other.named {
            if let Some(place) = self.place(omission.kind, &omission.of) {
                self.name(place, omission);
            }
        }
    }

    /// How many of a kind.
    #[must_use]
    pub const fn count(&self, kind: Kind) -> u64 {
        self.counts[kind as usize]
    }

    /// A few of each kind.
    #[must_use]
    pub fn named(&self) -> &[Omission] {
        &self.named
    }

    /// Those of a kind, one of each subtree after the other.
    #[must_use]
    pub fn in_turns(&self, kind: Kind) -> Vec<&Omission> {
        let of_kind: Vec<_> = self.named.iter().filter(|omission| omission.kind == kind).collect();
        let paths: Vec<_> = of_kind.iter().map(|omission| &*omission.of).collect();
        interleaved(&paths, 0).into_iter().map(|place| of_kind[place]).collect()
    }

    /// Where one more of a kind is named: behind the others, or in the place of one. `None` if nowhere.
    fn place(&self, kind: Kind, path: &str) -> Option<usize> {
        let of_kind = self.named.iter().enumerate().filter(|(_, omission)| omission.kind == kind);
        let (places, paths): (Vec<_>, Vec<_>) =
            of_kind.map(|(place, omission)| (place, &*omission.of)).unzip();
        if places.len() < NAMED {
            return Some(self.named.len());
        }
        who_goes(&paths, path).map(|place| places[place])
    }

    fn name(&mut self, place: usize, omission: Omission) {
        if place < self.named.len() {
            self.named.remove(place);
        }
        self.named.push(omission);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_takes_no_more_than_it_tells() {
        let mut left_out = LeftOut::default();
        left_out.add(Kind::Cgroup, &"\u{1b}".repeat(1 << 20));
        left_out.add_bytes("", Kind::Cgroup, &vec![0xff; 1 << 20], "is no UTF-8");
        assert!(left_out.named().iter().all(|omission| omission.why.len() < 1024));
        assert!(left_out.named()[1].why.ends_with("is no UTF-8"));
    }

    #[test]
    fn all_are_counted_and_a_few_named() {
        let mut left_out = LeftOut::default();
        left_out.add(Kind::Device, "zram0: \u{1b}");
        for number in 0..1000 {
            left_out.add_bytes("", Kind::Cgroup, format!("/a{number}\u{202e}").as_bytes(), "gone");
        }
        let mut all = LeftOut::default();
        all.add(Kind::Cgroup, "first");
        all.join(left_out);
        assert_eq!((all.count(Kind::Cgroup), all.count(Kind::Device), all.count(Kind::Line)), (1001, 1, 0));
        assert_eq!(all.named().len(), NAMED + 1);
        let said: Vec<_> = all.named().iter().map(|omission| &*omission.why).collect();
        assert_eq!(said[..3], ["first", r"zram0: \u{1b}", r"/a0\u{202e}: gone"]);
    }

    /// Kind 2.
    #[test]
    fn one_with_thousands_keeps_nobody_elses_from_being_told() {
        let odd = |name: &str, count: usize| {
            let mut left_out = LeftOut::default();
            for number in 0..count {
                left_out.add_of(
                    &format!("/tenants/{name}/{number}"),
                    Kind::Cgroup,
                    &format!("{name} {number}"),
                );
            }
            left_out
        };
        let mut all = odd("many", 5000);
        all.join(odd("few", 2));
        all.add_of("/tenants/one", Kind::Cgroup, "one");
        all.add(Kind::Cgroup, "the host");
        assert_eq!((all.count(Kind::Cgroup), all.named().len()), (5004, NAMED));
        let named: Vec<_> = all.named().iter().map(|omission| &*omission.why).collect();
        for why in ["few 0", "few 1", "one", "the host"] {
            assert!(named.contains(&why), "{why} of {named:?}");
        }
        let first: Vec<_> =
            all.in_turns(Kind::Cgroup).iter().take(4).map(|omission| &*omission.why).collect();
        assert_eq!(first.iter().filter(|why| why.starts_with("many")).count(), 1, "{first:?}");
        assert!(all.in_turns(Kind::Line).is_empty());
    }
}
