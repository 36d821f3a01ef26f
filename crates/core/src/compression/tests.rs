use super::*;
use crate::stored::Stored;

const MINUTE: Duration = Duration::from_mins(1);

/// So many MiB were offloaded; zram took `compressed` MiB for them, `incompressible` in whole pages.
fn effect(offloaded: u64, compressed: u64, incompressible: u64) -> Effect {
    let stored = Stored {
        original: Bytes::mib(offloaded),
        compressed: Bytes::mib(compressed),
        incompressible: Bytes::mib(incompressible),
        sunk: Bytes::ZERO,
    };
    Effect { offloaded: Bytes::mib(offloaded), stored: Some(stored), ..Effect::default() }
}

fn swapped(mib: u64) -> Memory {
    Memory { swap_current: Some(Bytes::mib(mib)), ..Memory::default() }
}

fn learnt(effects: &[Effect]) -> Compression {
    let mut compression = Compression::default();
    let offloaded: Bytes = effects.iter().map(|effect| effect.offloaded).sum();
    let memory = Memory { swap_current: Some(offloaded), ..Memory::default() };
    compression.learn(effects, &memory, Duration::ZERO);
    compression
}

#[test]
fn it_is_learnt_from_what_zram_took_in() {
    let found = learnt(&[effect(6, 2, 0), effect(6, 4, 3)]).known(&Memory::default()).unwrap();
    assert_eq!((found.share, found.measured), (Ratio::new(0.5), Bytes::mib(12)));
}

#[test]
fn little_is_no_knowledge_and_neither_is_what_others_stored() {
    let little = Effect {
        offloaded: Bytes::kib(512),
        stored: Some(Stored { original: Bytes::kib(512), ..Stored::default() }),
        ..Effect::default()
    };
    assert_eq!(learnt(&[little]).known(&Memory::default()), None);
    let others = Effect { offloaded: Bytes::mib(2), ..effect(9, 9, 9) };
    assert_eq!(learnt(&[others]).known(&Memory::default()), None);
    let unmeasured = Effect { stored: None, ..effect(9, 9, 9) };
    assert_eq!(learnt(&[unmeasured]).known(&Memory::default()), None);
}

#[test]
fn zswap_tells_by_itself() {
    let mut memory = swapped(30);
    memory.stat.zswapped = Some(Bytes::mib(20));
    memory.zswap_current = Some(Bytes::mib(5));
    let compression = learnt(&[]);
    assert_eq!(compression.known(&memory).unwrap().share, Ratio::new(0.25));
    assert_eq!(compression.taken(TierKind::Zswap, &memory), Some(Ratio::new(0.25)));
    assert_eq!(compression.taken(TierKind::Zram, &memory), None);
    memory.stat.zswapped = Some(Bytes::kib(20));
    assert_eq!(compression.known(&memory), None);
}

#[test]
fn what_zswap_keeps_whole_stays() {
    let mut memory = swapped(30);
    memory.stat.zswapped = Some(Bytes::mib(2));
    memory.zswap_current = Some(Bytes::mib(2));
    let mut compression = Compression::default();
    compression.learn(&[], &memory, Duration::ZERO);
    assert_eq!(compression.worth_storing(&memory, MINUTE), Bytes::ZERO);
    memory.zswap_current = Some(Bytes::mib(1));
    compression.learn(&[], &memory, MINUTE);
    assert_eq!(compression.worth_storing(&memory, MINUTE), Bytes::MAX);
}

#[test]
fn what_does_not_compress_stays_but_for_a_trial() {
    let mut compression = learnt(&[effect(4, 4, 4)]);
    let room = |compression: &Compression, now| compression.worth_storing(&swapped(5), now);
    assert_eq!(room(&compression, 4 * MINUTE), Bytes::ZERO);
    assert_eq!(room(&compression, 5 * MINUTE), Bytes::mib(1));
    assert!(compression.wants_measuring(5 * MINUTE));
    compression.learn(&[effect(1, 1, 1)], &swapped(5), 5 * MINUTE);
    assert_eq!(room(&compression, 14 * MINUTE), Bytes::ZERO);
    assert_eq!(room(&compression, 15 * MINUTE), Bytes::mib(1));
    // A trial that compresses outweighs what was found out before.
    compression.learn(&[effect(2, 1, 0)], &swapped(7), 15 * MINUTE);
    assert_eq!(room(&compression, 15 * MINUTE), Bytes::MAX);
    assert_eq!(compression.known(&Memory::default()).unwrap().share, Ratio::new(0.5));
}

#[test]
fn memory_that_frees_an_eighth_goes() {
    assert_eq!(learnt(&[effect(16, 13, 8)]).worth_storing(&swapped(16), Duration::ZERO), Bytes::MAX);
    assert_eq!(learnt(&[effect(16, 14, 8)]).worth_storing(&swapped(16), Duration::ZERO), Bytes::ZERO);
}

#[test]
fn what_is_held_is_of_what_went_there_and_falls_in_proportion() {
    let mut compression = learnt(&[effect(8, 8, 8)]);
    compression.learn(&[effect(16, 4, 0)], &swapped(24), MINUTE);
    let share = |compression: &Compression| compression.claim().mix.unwrap().share().get();
    // The 16 MiB as by what is known then: some of that is about the 8 MiB before.
    let mixed = share(&compression);
    assert!((0.5..0.75).contains(&mixed), "{mixed}");
    compression.learn(&[], &swapped(6), 2 * MINUTE);
    assert_eq!(compression.claim().bytes, Bytes::mib(6));
    assert!((share(&compression) - mixed).abs() < 1e-9);
}

#[test]
fn what_is_known_grows_old() {
    let compression = learnt(&[effect(12, 4, 0)]);
    assert!(!compression.wants_measuring(10 * MINUTE));
    assert!(compression.wants_measuring(60 * MINUTE));
    assert_eq!(compression.known(&Memory::default()).unwrap().measured, Bytes::mib(12));
}

#[test]
fn of_a_large_cgroup_more_is_measured_before_it_stays() {
    let memory = Memory { current: Bytes::mib(1000), ..swapped(24) };
    let mut compression = Compression::default();
    compression.learn(&[effect(7, 7, 7)], &memory, Duration::ZERO);
    assert_eq!(compression.worth_storing(&memory, MINUTE), Bytes::MAX);
    compression.learn(&[effect(2, 2, 2)], &memory, MINUTE);
    assert_eq!(compression.worth_storing(&memory, MINUTE), Bytes::ZERO);
    assert_eq!(compression.worth_storing(&memory, 6 * MINUTE), Bytes::mib(8));
}
