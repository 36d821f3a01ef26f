//! What containerd and CRI-O leave on a node. It is root's, but a pod's owner fills in a part of it.

use anyhow::{Result, ensure};
use lowtide_pods::{Place, Runtime, parse};

use crate::{Corpus, Driver, Parser, Slot, driver::bytes};

pub(super) const PARSERS: &[Parser] = &[
    Parser { name: "pods/spec", start: spec },
    Parser {
        name: "pods/place",
        start: |_| {
            let seeds = SPECS.iter().map(|(_, digit, above)| path(above, *digit).into_bytes()).collect();
            Ok(bytes("path", seeds, |input| {
                std::str::from_utf8(input).is_ok_and(|path| matches!(Place::of(path), Place::Container(_)))
            }))
        },
    },
];

const POD: &str = "pod0b1c2d3e-4f50-6172-8394-a5b6c7d8e9f0";

/// The specs of `crates/pods/tests/node`: whose, the digit that the ID is made of, and what the cgroup lies
/// in.
const SPECS: [(Runtime, char, &str); 3] = [
    (
        Runtime::Containerd,
        'a',
        "/kubepods.slice/kubepods-burstable.slice/kubepods-burstable-pod0b1c2d3e_4f50_6172_8394_a5b6c7d8e9f0.slice/cri-containerd-{}.scope",
    ),
    (Runtime::Containerd, 'c', "/kubepods/besteffort/{pod}/{}"),
    (
        Runtime::CriO,
        'd',
        "/kubepods.slice/kubepods-pod0b1c2d3e_4f50_6172_8394_a5b6c7d8e9f0.slice/crio-{}.scope",
    ),
];

fn id(digit: char) -> String {
    digit.to_string().repeat(64)
}

fn path(above: &str, digit: char) -> String {
    above.replace("{pod}", POD).replace("{}", &id(digit))
}

fn spec(corpus: &Corpus) -> Result<Driver> {
    let slot = |(_, digit, _): &(Runtime, char, &str)| {
        let name = format!("{}/config.json", id(*digit));
        let seeds = [corpus.ending(&name), corpus.ending(&name.replace('/', "/userdata/"))].concat();
        Slot { name, seeds }
    };
    let slots: Vec<_> = SPECS.iter().map(slot).collect();
    ensure!(slots.iter().all(|slot| !slot.seeds.is_empty()), "crates/pods/tests/node lacks a spec");
    let read = |slot: usize, input: &[u8]| {
        let Some((runtime, digit, above)) = SPECS.get(slot) else { return false };
        let path = path(above, *digit);
        matches!(Place::of(&path), Place::Container(container) if parse(*runtime, input, container).is_ok())
    };
    Ok(Driver { slots, read: Box::new(read) })
}
