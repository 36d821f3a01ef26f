//! Who writes `memory.reclaim` next: so many at a time on the host, in turns of the subtrees at the top, and what hangs holds up
//! nobody else.

use std::{
    collections::{HashMap, VecDeque},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use tokio::sync::oneshot;

use crate::share::subtree;

/// Requests to the kernel that run at once. Each holds a thread; more of them would only queue on the same swap
/// device and compress on more of the tenants' cores.
const REQUESTS: usize = 4;
/// Of those that hang, each keeps its thread, and its subtree one place less. Beyond so many the next one that hangs keeps its slot
/// as well.
const HANGING: usize = 16;

/// The slots, and those who wait for one. Cheap to clone.
#[derive(Debug, Clone, Default)]
pub(crate) struct Slots(Arc<Mutex<Queue>>);

#[derive(Debug, Default)]
struct Queue {
    next: u64,
    held: HashMap<u64, Held>,
    waiting: HashMap<Arc<str>, VecDeque<Waiting>>,
}

#[derive(Debug)]
struct Held {
    subtree: Arc<str>,
    alone: bool,
    hangs: bool,
}

#[derive(Debug)]
struct Waiting {
    number: u64,
    alone: bool,
    ready: oneshot::Sender<Slot>,
}

/// Leave to write. Given back when it is dropped.
#[derive(Debug)]
pub(crate) struct Slot {
    slots: Slots,
    number: u64,
}

impl Slots {
    /// Waits for a slot to write to the cgroup at `path`. `alone` has it wait for all others, and others for it, as long as nothing
    /// hangs. Who does not want it any more drops the receiver.
    pub(crate) fn ask(&self, path: &str, alone: bool) -> oneshot::Receiver<Slot> {
        let (ready, receiver) = oneshot::channel();
        let mut queue = self.queue();
        queue.next += 1;
        let waiting = Waiting { number: queue.next, alone, ready };
        queue.waiting.entry(subtree(path).into()).or_default().push_back(waiting);
        drop(queue);
        self.give();
        receiver
    }

    /// Gives out what there is. Not with the queue locked: a slot that nobody wants any more comes back.
    fn give(&self) {
        loop {
            let Some(Waiting { number, ready, .. }) = self.queue().begin() else { return };
            let _ = ready.send(Slot { slots: self.clone(), number });
        }
    }

    fn queue(&self) -> MutexGuard<'_, Queue> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Queue {
    /// The next that may begin: of the subtree with the fewest under way, what has waited the longest.
    fn begin(&mut self) -> Option<Waiting> {
        for waiting in self.waiting.values_mut() {
            while waiting.front().is_some_and(|first| first.ready.is_closed()) {
                waiting.pop_front();
            }
        }
        self.waiting.retain(|_, waiting| !waiting.is_empty());
        let busy = self.held.values().filter(|held| !held.hangs).count();
        let hanging = self.held.len() - busy;
        if busy >= REQUESTS || self.held.values().any(|held| held.alone) {
            return None;
        }
        let mut held: HashMap<&str, usize> = HashMap::new();
        for one in self.held.values() {
            *held.entry(&one.subtree).or_default() += 1;
        }
        let first = |(name, waiting): (&Arc<str>, &VecDeque<Waiting>)| {
            let count = held.get(&**name).copied().unwrap_or(0);
            let first = waiting.front().filter(|_| count < REQUESTS)?;
            Some((count, first.number, first.alone, Arc::clone(name)))
        };
        let (_, _, alone, name) =
            self.waiting.iter().filter_map(first).min_by_key(|(count, number, ..)| (*count, *number))?;
        // What hangs would be waited for.
        let alone = alone && hanging == 0;
        if alone && busy > 0 {
            return None;
        }
        let next = self.waiting.get_mut(&name)?.pop_front()?;
        self.held.insert(next.number, Held { subtree: name, alone, hangs: false });
        Some(next)
    }
}

impl Slot {
    /// Others may write beside it.
    pub(crate) fn not_alone(&self) {
        if let Some(held) = self.slots.queue().held.get_mut(&self.number) {
            held.alone = false;
        }
        self.slots.give();
    }

    /// The kernel does not come back from the write, or has come back: who hangs needs a thread, and no slot.
    pub(crate) fn hangs(&self, hangs: bool) {
        let mut queue = self.slots.queue();
        let hanging = queue.held.values().filter(|held| held.hangs).count();
        if let Some(held) = queue.held.get_mut(&self.number) {
            held.hangs = hangs && (held.hangs || hanging < HANGING);
        }
        drop(queue);
        self.slots.give();
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        self.slots.queue().held.remove(&self.number);
        self.slots.give();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ready(receiver: &mut oneshot::Receiver<Slot>) -> Option<Slot> {
        receiver.try_recv().ok()
    }

    /// Kind 2: four writes of one tenant that hung held all others for ever.
    #[test]
    fn what_hangs_holds_up_nobody_else() {
        let slots = Slots::default();
        let mut first: Vec<_> = (0..6).map(|number| slots.ask(&format!("/a/{number}"), false)).collect();
        let held: Vec<_> = first.iter_mut().filter_map(ready).collect();
        assert_eq!(held.len(), 4);
        let mut other = slots.ask("/b/0", false);
        assert!(ready(&mut other).is_none(), "all are taken, and none hangs yet");
        for slot in &held {
            slot.hangs(true);
        }
        assert!(ready(&mut other).is_some(), "its own subtree has nothing under way");
        assert!(first.iter_mut().skip(4).all(|waits| ready(waits).is_none()), "who hangs has its places");
        held[0].hangs(false);
        drop(held);
        assert!(first.iter_mut().skip(4).all(|waits| ready(waits).is_some()));
    }

    /// Kind 2: three hundred small cgroups took 42 % from a neighbour.
    #[test]
    fn subtrees_take_turns_however_many_cgroups_they_have() {
        let slots = Slots::default();
        let mut many: Vec<_> = (0..300).map(|number| slots.ask(&format!("/a/{number}"), false)).collect();
        let mut few: Vec<_> = (0..3).map(|number| slots.ask(&format!("/b/{number}"), false)).collect();
        let mut held: VecDeque<_> = many.iter_mut().filter_map(ready).collect();
        for turn in 1..=4 {
            drop(held.pop_front());
            held.extend(many.iter_mut().chain(&mut few).filter_map(ready));
            assert_eq!(held.len(), 4, "turn {turn}");
        }
        assert!(few.iter_mut().filter(|waits| !waits.is_terminated()).count() <= 1, "two of four are theirs");
    }

    #[test]
    fn one_alone_waits_for_all_and_all_for_it_unless_something_hangs() {
        let slots = Slots::default();
        let (mut a, mut alone) = (slots.ask("/a", false), slots.ask("/b", true));
        let mut behind = slots.ask("/c", false);
        let first = ready(&mut a).unwrap();
        assert!(ready(&mut alone).is_none() && ready(&mut behind).is_none());
        drop(first);
        let only = ready(&mut alone).unwrap();
        assert!(ready(&mut behind).is_none());
        only.not_alone();
        let held = ready(&mut behind).unwrap();
        held.hangs(true);
        assert!(ready(&mut slots.ask("/d", true)).is_some());
    }

    #[test]
    fn who_does_not_want_it_any_more_takes_no_slot() {
        let slots = Slots::default();
        let mut held: Vec<_> = (0..4).map(|_| slots.ask("/a", false)).collect();
        let held: Vec<_> = held.iter_mut().filter_map(ready).collect();
        drop(slots.ask("/b", false));
        let mut last = slots.ask("/c", false);
        drop(held);
        assert!(ready(&mut last).is_some());
    }

    #[test]
    fn so_many_threads_hang_at_most() {
        let slots = Slots::default();
        let held: Vec<_> = (0..100)
            .map_while(|number| {
                let slot = ready(&mut slots.ask(&format!("/{number}"), false))?;
                slot.hangs(true);
                Some(slot)
            })
            .collect();
        assert_eq!(held.len(), HANGING + REQUESTS);
    }
}
