//! Who writes `memory.reclaim` next: so many at a time on the host, in turns of the subtrees at each level,
//! and what hangs holds up nobody else.

use std::{
    collections::{BTreeMap, HashMap, VecDeque},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use lowtide_core::share::names;
use tokio::sync::oneshot;

/// Requests to the kernel that run at once. Each holds a thread; more of them would only queue on the same
/// swap device and compress on more of the tenants' cores.
const REQUESTS: usize = 4;
/// Of those that hang, each keeps its thread. Beyond so many the next one that hangs keeps its slot as well.
const HANGING: usize = 16;
/// So many requests may be under way, those that hang among them, below a cgroup of the first level, of the
/// second, and so on: each level leaves places to its neighbours.
const BELOW: [usize; 8] = [12, 9, 7, 5, 4, 3, 2, 1];

/// The slots, and those who wait for one. Cheap to clone.
#[derive(Debug, Clone, Default)]
pub(crate) struct Slots(Arc<Mutex<Queue>>);

#[derive(Debug, Default)]
struct Queue {
    next: u64,
    begun: u64,
    held: HashMap<u64, Held>,
    root: Branch,
}

#[derive(Debug)]
struct Held {
    path: Arc<str>,
    alone: bool,
    hangs: bool,
}

#[derive(Debug)]
struct Waiting {
    number: u64,
    path: Arc<str>,
    alone: bool,
    ready: oneshot::Sender<Slot>,
}

/// A cgroup, and what is at or below it.
#[derive(Debug, Default)]
struct Branch {
    /// Requests under way, those that hang among them.
    held: usize,
    hanging: usize,
    waiting: usize,
    /// The number of the last one that began.
    served: u64,
    /// Of the cgroup itself, and of those too deep to be told apart.
    own: VecDeque<Waiting>,
    below: BTreeMap<Box<str>, Self>,
}

/// Leave to write. Given back when it is dropped.
#[derive(Debug)]
pub(crate) struct Slot {
    slots: Slots,
    number: u64,
}

impl Slots {
    /// Waits for a slot to write to the cgroup at `path`. `alone` has it wait for all others, and others for
    /// it, as long as nothing hangs. Who does not want it any more drops the receiver.
    pub(crate) fn ask(&self, path: &Arc<str>, alone: bool) -> oneshot::Receiver<Slot> {
        let (ready, receiver) = oneshot::channel();
        let mut queue = self.queue();
        queue.next += 1;
        let waiting = Waiting { number: queue.next, path: Arc::clone(path), alone, ready };
        queue.root.on_the_way(path, &mut |branch| branch.waiting += 1).own.push_back(waiting);
        drop(queue);
        self.give();
        receiver
    }

    /// How many wait.
    pub(crate) fn waiting(&self) -> usize {
        self.queue().root.waiting
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
    /// The next that may begin, which then holds a slot.
    fn begin(&mut self) -> Option<Waiting> {
        let busy = self.root.held - self.root.hanging;
        if busy >= REQUESTS || self.held.values().any(|held| held.alone) {
            return None;
        }
        let waiting = loop {
            let first = self.root.first(0)?;
            if !first.ready.is_closed() {
                // What hangs would be waited for.
                let alone = first.alone && self.root.hanging == 0;
                if alone && busy > 0 {
                    return None;
                }
                let path = Arc::clone(&first.path);
                break Waiting { alone, ..self.take(&path)? };
            }
            let path = Arc::clone(&first.path);
            self.take(&path)?;
            self.root.prune(&path);
        };
        let number = waiting.number;
        self.begun += 1;
        let begun = self.begun;
        self.root.on_the_way(&waiting.path, &mut |branch| {
            branch.held += 1;
            branch.served = begun;
        });
        let held = Held { path: Arc::clone(&waiting.path), alone: waiting.alone, hangs: false };
        self.held.insert(number, held);
        Some(waiting)
    }

    fn take(&mut self, path: &str) -> Option<Waiting> {
        self.root.on_the_way(path, &mut |branch| branch.waiting -= 1).own.pop_front()
    }
}

impl Branch {
    /// The branch of `path`; `each` is told of all that lead there, this one and the last among them.
    fn on_the_way(&mut self, path: &str, each: &mut dyn FnMut(&mut Self)) -> &mut Self {
        each(self);
        let mut branch = self;
        for name in names(path) {
            branch = branch.below.entry(name.into()).or_default();
            each(branch);
        }
        branch
    }

    /// Whose turn it is: at each level of the branch with the fewest under way, then of the one that was
    /// served the longest ago.
    fn first(&self, level: usize) -> Option<&Waiting> {
        if let Some(own) = self.own.front() {
            return Some(own);
        }
        let most = BELOW.get(level).or(BELOW.last()).copied().unwrap_or(HANGING);
        let may = |branch: &&Self| branch.waiting > 0 && branch.held < most;
        let turn = |branch: &&Self| (branch.held, branch.served);
        let next = self.below.values().filter(may).min_by_key(turn)?;
        next.first(level + 1).or_else(|| {
            // All that wait there are next to what hangs.
            let mut others: Vec<_> = self.below.values().filter(may).collect();
            others.sort_unstable_by_key(turn);
            others.into_iter().find_map(|branch| branch.first(level + 1))
        })
    }

    /// Forgets what is empty on the way to `path`.
    fn prune(&mut self, path: &str) {
        let mut branch = self;
        for name in names(path) {
            let Some(below) = branch.below.get(name) else { return };
            if below.held + below.waiting == 0 {
                branch.below.remove(name);
                return;
            }
            let Some(below) = branch.below.get_mut(name) else { return };
            branch = below;
        }
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
        let mut guard = self.slots.queue();
        let queue = &mut *guard;
        if let Some(held) = queue.held.get_mut(&self.number) {
            let hangs = hangs && (held.hangs || queue.root.hanging < HANGING);
            if hangs != held.hangs {
                held.hangs = hangs;
                queue.root.on_the_way(&held.path, &mut |branch| {
                    branch.hanging = if hangs { branch.hanging + 1 } else { branch.hanging - 1 };
                });
            }
        }
        drop(guard);
        self.slots.give();
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        let mut queue = self.slots.queue();
        if let Some(Held { path, hangs, .. }) = queue.held.remove(&self.number) {
            queue.root.on_the_way(&path, &mut |branch| {
                branch.held -= 1;
                branch.hanging -= usize::from(hangs);
            });
            queue.root.prune(&path);
        }
        drop(queue);
        self.slots.give();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ask(slots: &Slots, path: &str) -> oneshot::Receiver<Slot> {
        slots.ask(&path.into(), false)
    }

    fn ready(receiver: &mut oneshot::Receiver<Slot>) -> Option<Slot> {
        receiver.try_recv().ok()
    }

    /// As many as can begin below `parent`, and hang.
    fn hang(slots: &Slots, parent: &str) -> (Vec<Slot>, Vec<oneshot::Receiver<Slot>>) {
        let mut waiting: Vec<_> = (0..100).map(|number| ask(slots, &format!("{parent}/{number}"))).collect();
        let mut held = Vec::new();
        loop {
            let new: Vec<_> = waiting.iter_mut().filter_map(ready).collect();
            if new.is_empty() {
                waiting.retain(|waits| !waits.is_terminated());
                return (held, waiting);
            }
            for slot in &new {
                slot.hangs(true);
            }
            held.extend(new);
        }
    }

    /// Kind 2: four writes of one tenant that hung held all others for ever.
    #[test]
    fn what_hangs_holds_up_nobody_else() {
        let slots = Slots::default();
        let mut first: Vec<_> = (0..6).map(|number| ask(&slots, &format!("/a/{number}"))).collect();
        let held: Vec<_> = first.iter_mut().filter_map(ready).collect();
        assert_eq!(held.len(), 4);
        let mut other = ask(&slots, "/b/0");
        assert!(ready(&mut other).is_none(), "all are taken, and none hangs yet");
        for slot in &held {
            slot.hangs(true);
        }
        assert!(ready(&mut other).is_some(), "its own subtree has nothing under way");
    }

    /// Tenants may all be in one slice, or deeper: each level leaves places to its neighbours.
    #[test]
    fn however_deep_tenants_are_what_hangs_in_one_leaves_places_to_the_next() {
        for parent in ["", "/system.slice", "/kubepods.slice/burstable", "/a/b/c", "/a/b/c/d/e/f"] {
            let slots = Slots::default();
            let (held, waiting) = hang(&slots, &format!("{parent}/bad"));
            let level = parent.matches('/').count();
            assert_eq!(held.len(), BELOW[level], "{parent}");
            assert_eq!(held.len() + waiting.len(), 100);
            let good: Vec<_> = (0..4).map(|number| ask(&slots, &format!("{parent}/good/{number}"))).collect();
            let begun: Vec<_> = good.into_iter().filter_map(|mut waits| ready(&mut waits)).collect();
            assert!(!begun.is_empty(), "{parent}");
            let mut waiting = waiting;
            held[0].hangs(false);
            drop((held, begun));
            let next: Vec<_> = waiting.iter_mut().filter_map(ready).collect();
            assert_eq!(next.len(), REQUESTS.min(BELOW[level]), "{parent}");
        }
    }

    /// Kind 2: three hundred small cgroups took 42 % from a neighbour.
    #[test]
    fn subtrees_take_turns_however_many_cgroups_they_have() {
        let slots = Slots::default();
        let mut many: Vec<_> = (0..300).map(|number| ask(&slots, &format!("/a/{number}"))).collect();
        let mut few: Vec<_> = (0..3).map(|number| ask(&slots, &format!("/b/{number}"))).collect();
        let mut held: VecDeque<_> = many.iter_mut().filter_map(ready).collect();
        for turn in 1..=4 {
            drop(held.pop_front());
            held.extend(many.iter_mut().chain(&mut few).filter_map(ready));
            assert_eq!(held.len(), 4, "turn {turn}");
        }
        assert!(few.iter_mut().filter(|waits| !waits.is_terminated()).count() <= 1, "two of four are theirs");
    }

    /// Those that asked first are not those that were served the longest ago.
    #[test]
    fn six_subtrees_take_turns() {
        let slots = Slots::default();
        let of = |name: char| (0..100).map(move |number| (name, format!("/{name}/{number}")));
        let mut asked: Vec<_> =
            ('a'..='f').flat_map(of).map(|(name, path)| (name, ask(&slots, &path))).collect();
        let mut begun = BTreeMap::new();
        let mut held = VecDeque::new();
        for _ in 0..120 {
            for (name, waits) in &mut asked {
                if let Some(slot) = ready(waits) {
                    *begun.entry(*name).or_insert(0_usize) += 1;
                    held.push_back(slot);
                }
            }
            asked.retain(|(_, waits)| !waits.is_terminated());
            drop(held.pop_front());
        }
        assert!(begun.len() == 6 && begun.values().all(|count| (15..=25).contains(count)), "{begun:?}");
    }

    #[test]
    fn what_is_over_is_forgotten() {
        let slots = Slots::default();
        let mut asked: Vec<_> = (0..50).map(|number| ask(&slots, &format!("/a/{number}/c"))).collect();
        while let Some(slot) = asked.iter_mut().find_map(ready) {
            asked.retain(|waits| !waits.is_terminated());
            drop(asked.pop());
            drop(slot);
        }
        drop(asked);
        drop(ready(&mut ask(&slots, "/b")));
        let queue = slots.queue();
        assert_eq!((queue.root.held, queue.root.waiting, queue.root.below.len()), (0, 0, 0));
    }

    #[test]
    fn one_alone_waits_for_all_and_all_for_it_unless_something_hangs() {
        let slots = Slots::default();
        let (mut a, mut alone) = (ask(&slots, "/a"), slots.ask(&"/b".into(), true));
        let mut behind = ask(&slots, "/c");
        let first = ready(&mut a).unwrap();
        assert!(ready(&mut alone).is_none() && ready(&mut behind).is_none());
        drop(first);
        let only = ready(&mut alone).unwrap();
        assert!(ready(&mut behind).is_none());
        only.not_alone();
        let held = ready(&mut behind).unwrap();
        held.hangs(true);
        assert!(ready(&mut slots.ask(&"/d".into(), true)).is_some());
    }

    #[test]
    fn who_does_not_want_it_any_more_takes_no_slot() {
        let slots = Slots::default();
        let mut held: Vec<_> = (0..4).map(|_| ask(&slots, "/a")).collect();
        let held: Vec<_> = held.iter_mut().filter_map(ready).collect();
        drop(ask(&slots, "/b"));
        let mut last = ask(&slots, "/c");
        drop(held);
        assert!(ready(&mut last).is_some());
    }

    #[test]
    fn so_many_threads_hang_at_most() {
        let slots = Slots::default();
        let held: Vec<_> = (0..100)
            .map_while(|number| {
                let slot = ready(&mut ask(&slots, &format!("/{number}")))?;
                slot.hangs(true);
                Some(slot)
            })
            .collect();
        assert_eq!(held.len(), HANGING + REQUESTS);
    }
}
