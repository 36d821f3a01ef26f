use std::{
    fs,
    os::unix::{ffi::OsStrExt, fs::symlink},
    path::{Path, PathBuf},
};

use lowtide_kernfs::{Errno, HowRead};
use nix::{sys::stat::Mode, unistd::mkfifo};
use proptest::prelude::*;

/// What happens to a file or directory.
#[derive(Debug, Clone)]
pub(super) struct Change {
    /// From the root.
    pub(super) place: String,
    pub(super) what: What,
}

#[derive(Debug, Clone)]
pub(super) enum What {
    /// As it was captured, with all that is below.
    Back,
    /// It goes, with all that is below.
    Gone,
    /// It holds this.
    Holds(Vec<u8>),
    /// One of its numbers is another.
    Number(prop::sample::Index, &'static str),
    /// It ends within a line.
    Cut(prop::sample::Index),
    /// Opened it can be, read it cannot (EISDIR).
    Directory,
    /// Whoever opens it waits for a writer.
    Fifo,
    /// It leads to itself, or out of the tree.
    Link(&'static str),
    /// A child of this name.
    Child(Vec<u8>),
    /// So many directories below each other.
    Deep(usize),
    /// The kernel reads it, or what is below, like that.
    HowRead(HowRead),
}

const NUMBERS: &[&str] = &[
    "0",
    "1",
    "-1",
    "18446744073709551615",
    "18446744073709551616",
    "9223372036854775808",
    "9223372036854775807",
    "4503599627370496",
    "max",
    "",
];

fn contents() -> impl Strategy<Value = Vec<u8>> {
    let known: Vec<&[u8]> = vec![
        b"",
        b"\n",
        b"max\n",
        b"0\n",
        b"18446744073709551615\n",
        b"9223372036854775808\n",
        b"\x1b[2J\r\n",
        b"caf\xe9\n",
        b"populated 1\nfrozen 0\n",
        b"populated 0\n",
        b"some avg10=0.00 avg60=0.00 avg300=0.00 total=18446744073709551615\n",
        b"anon 18446744073709551615\nfile 18446744073709551615\ninactive_anon 18446744073709551615\nactive_anon 0\ninactive_file 18446744073709551615\nactive_file 0\n",
        b"1\n4194304\n",
    ];
    prop_oneof![
        4 => prop::sample::select(known).prop_map(<[u8]>::to_vec),
        1 => prop::collection::vec(any::<u8>(), 0..60),
        1 => (0_usize..100_000).prop_map(|length| vec![b'9'; length]),
    ]
}

fn what() -> impl Strategy<Value = What> {
    prop_oneof![
        6 => Just(What::Back),
        3 => Just(What::Gone),
        6 => contents().prop_map(What::Holds),
        8 => (any::<prop::sample::Index>(), prop::sample::select(NUMBERS)).prop_map(|(at, number)| What::Number(at, number)),
        3 => any::<prop::sample::Index>().prop_map(What::Cut),
        2 => Just(What::Directory),
        2 => Just(What::Fifo),
        1 => prop::sample::select(vec![".", "/", "../../../../../etc", "nowhere"]).prop_map(What::Link),
        2 => prop::sample::select(vec![&b"caf\xe9"[..], b"a\x1b[2J", b"docker-x.scope", b"ssh.service", b" (deleted)", b"x y\\z"])
            .prop_map(|name| What::Child(name.to_vec())),
        1 => (1_usize..300).prop_map(What::Deep),
        3 => prop::sample::select(vec![Errno::EIO, Errno::EINTR, Errno::ENODEV, Errno::EOPNOTSUPP, Errno::ENOMEM])
            .prop_map(|errno| What::HowRead(HowRead::Fails(errno))),
        2 => (1_usize..200).prop_map(|most| What::HowRead(HowRead::Pieces(most))),
    ]
}

pub(super) fn change(places: Vec<String>) -> impl Strategy<Value = Change> {
    (prop::sample::select(places), what()).prop_map(|(place, what)| Change { place, what })
}

impl Change {
    /// Makes it so below `root`, whatever is there by now; `captured` has it as it was. What cannot be is
    /// not.
    pub(super) fn make(&self, root: &Path, captured: &Path) {
        let place = root.join(&self.place);
        if !place.parent().is_some_and(Path::is_dir) {
            return;
        }
        match &self.what {
            What::Back => back(&captured.join(&self.place), &place),
            What::Gone => clear(&place),
            What::Holds(text) => hold(&place, text),
            What::Number(at, number) => edit(&place, |text| *text = with_number(text, *at, number)),
            What::Cut(at) => edit(&place, |text| text.truncate(at.index(text.len() + 1))),
            What::Directory => {
                clear(&place);
                fs::create_dir(&place).unwrap();
            }
            What::Fifo => {
                clear(&place);
                mkfifo(&place, Mode::S_IRUSR | Mode::S_IWUSR).unwrap();
            }
            What::Link(to) => {
                clear(&place);
                symlink(to, &place).unwrap();
            }
            What::Child(name) => child(&place, Path::new(std::ffi::OsStr::from_bytes(name))),
            What::HowRead(_) => {}
            What::Deep(depth) => child(&place, &["d"; 1000][..*depth].iter().collect::<PathBuf>()),
        }
    }
}

fn is_directory(place: &Path) -> bool {
    fs::symlink_metadata(place).is_ok_and(|found| found.is_dir())
}

fn clear(place: &Path) {
    let _ = if is_directory(place) { fs::remove_dir_all(place) } else { fs::remove_file(place) };
}

fn hold(place: &Path, text: &[u8]) {
    if !is_directory(place) {
        clear(place);
        fs::write(place, text).unwrap();
    }
}

fn back(captured: &Path, place: &Path) {
    clear(place);
    if captured.is_dir() {
        super::super::tree::copy(captured, place);
    } else if let Ok(text) = fs::read(captured) {
        fs::write(place, text).unwrap();
    }
}

/// Of a file that is one.
fn edit(place: &Path, edit: impl FnOnce(&mut Vec<u8>)) {
    if fs::symlink_metadata(place).is_ok_and(|found| found.is_file()) {
        let mut text = fs::read(place).unwrap();
        edit(&mut text);
        hold(place, &text);
    }
}

fn with_number(text: &[u8], at: prop::sample::Index, number: &str) -> Vec<u8> {
    let is_digit =
        |place: &usize| text[*place].is_ascii_digit() && (*place == 0 || !text[*place - 1].is_ascii_digit());
    let starts: Vec<usize> = (0..text.len()).filter(is_digit).collect();
    if starts.is_empty() {
        return number.as_bytes().to_vec();
    }
    let start = starts[at.index(starts.len())];
    let length = text[start..].iter().take_while(|byte| byte.is_ascii_digit()).count();
    [&text[..start], number.as_bytes(), &text[start + length..]].concat()
}

/// A cgroup below, with what a cgroup has.
fn child(place: &Path, name: &Path) {
    if is_directory(place) && fs::create_dir_all(place.join(name)).is_ok() {
        for file in
            ["memory.current", "memory.stat", "cgroup.events", "cgroup.controllers", "memory.pressure"]
        {
            edit(&place.join(file), |text| drop(fs::write(place.join(name).join(file), text)));
        }
    }
}
