//! What the owners of cgroups choose for their policy, in an extended attribute of the cgroup's directory or
//! in an annotation of their pod.
//!
//! Called as systemd-oomd's are (`user.oomd_avoid`): an attribute of `user.` can be set by whoever the
//! directory belongs to, without a capability. Such an owner is a stranger: what it may choose is in the
//! files of root alone, and what it writes is text to be escaped.

use std::{collections::HashMap, sync::Arc, time::Duration};

use lowtide_cgroup::Cgroup;
use lowtide_core::{CgroupId, LeftOut, Policy, left_out::Kind};
use lowtide_kernfs::Attribute;
use lowtide_pods::{ANNOTATION, Wanted};
use lowtide_policy::{Choice, PolicySet};

use crate::{lineage::is_below, pods::Whose, unchanged::is_old};

/// The attribute.
pub const ATTRIBUTE: &str = "user.lowtide_policy";

/// What a target has for its policy other than from the files.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Chosen {
    /// The cgroup whose directory says so, or whose pod: the target, or the nearest above it that says
    /// anything.
    pub by: Arc<str>,
    /// Where it is written.
    #[serde(rename = "where")]
    pub place: Written,
    /// What is written there, fit for a terminal.
    pub written: Arc<str>,
    /// The policy that the files give the target.
    pub given: Arc<str>,
    /// What comes of it.
    pub outcome: Outcome,
}

/// What comes of a choice.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// It is held to the policy that was chosen.
    Policy,
    /// It is left alone.
    Off,
    /// The policy that the files give it does not let it choose that.
    Ignored,
}

/// Where a choice is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Written {
    /// In [`ATTRIBUTE`] of the cgroup's directory.
    Attribute,
    /// In [`ANNOTATION`] of the pod.
    Annotation,
}

impl Written {
    /// What it is called.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Attribute => ATTRIBUTE,
            Self::Annotation => ANNOTATION,
        }
    }
}

/// What is known of them, and where the walk is.
#[derive(Debug, Default)]
pub(crate) struct Choices {
    known: HashMap<CgroupId, Known>,
    now: Duration,
    /// Those above the place where the walk is that say something, the nearest last.
    above: Vec<Said>,
    left_out: LeftOut,
}

#[derive(Debug)]
struct Known {
    value: Option<Wanted>,
    at: Duration,
    asked: bool,
}

#[derive(Debug, Clone)]
struct Said {
    by: Arc<str>,
    place: Written,
    value: Wanted,
    /// Its owner was told already, in this turn, that it may not choose that.
    is_told: bool,
}

impl Choices {
    /// Another walk begins.
    pub(crate) fn begin(&mut self, now: Duration) {
        self.now = now;
        self.above.clear();
        self.known.values_mut().for_each(|known| known.asked = false);
    }

    /// Takes in the next cgroup of a walk in depth-first order.
    pub(crate) fn enter(&mut self, cgroup: &Cgroup) {
        let path = cgroup.path();
        self.leave_for(path);
        if let Some(value) = self.value(cgroup) {
            self.above.push(Said { by: Arc::clone(path), place: Written::Attribute, value, is_told: false });
        }
    }

    /// What was said elsewhere than at or above `path` says nothing there.
    fn leave_for(&mut self, path: &str) {
        while self.above.last().is_some_and(|said| *said.by != *path && !is_below(path, &said.by)) {
            self.above.pop();
        }
    }

    /// What the cgroup at `path`, where the walk is and which is `whose`, chooses in place of the policy that
    /// the files give it, and which policy it is held to.
    pub(crate) fn of(
        &mut self,
        path: &str,
        given: usize,
        policies: &PolicySet,
        whose: &Whose,
    ) -> (usize, Option<Chosen>) {
        if !policies.lets_choose() {
            return (given, None);
        }
        self.leave_for(path);
        let Some(said) = self.said(whose) else { return (given, None) };
        let name = policies.policies().get(given).map(|policy| Arc::clone(&policy.name)).unwrap_or_default();
        let (written, choice) = match &said.value {
            // Its own is what it has: nothing is chosen.
            Wanted::Text(text) if **text == *name => return (given, None),
            Wanted::Text(text) => (text, policies.chosen(given, text)),
            Wanted::Odd(shown) => (shown, None),
        };
        let (policy, outcome) = match choice {
            Some(Choice::Off) => (given, Outcome::Off),
            Some(Choice::Policy(policy)) => (policy, Outcome::Policy),
            None => (given, Outcome::Ignored),
        };
        let (by, written) = (Arc::clone(&said.by), Arc::clone(written));
        let chosen = Chosen { by, place: said.place, written, given: name, outcome };
        if outcome == Outcome::Ignored && !said.is_told {
            said.is_told = true;
            self.left_out.add_of(&chosen.by, Kind::Choice, &chosen.refusal());
        }
        (policy, Some(chosen))
    }

    /// What counts: the nearest that says anything. Of a container's cgroup itself the attribute goes before
    /// the pod's annotation.
    fn said(&mut self, whose: &Whose) -> Option<&mut Said> {
        let Whose::Pods(pod, container) = whose else { return self.above.last_mut() };
        let wanted = pod.wanted.clone();
        let is_nearer = |said: &Said| *said.by == **container || is_below(&said.by, container);
        let (false, Some(value)) = (self.above.last().is_some_and(is_nearer), wanted) else {
            return self.above.last_mut();
        };
        // It stays there as long as the walk is in the container.
        let (by, place) = (Arc::clone(container), Written::Annotation);
        self.above.push(Said { by, place, value, is_told: false });
        self.above.last_mut()
    }

    /// The walk is over: what could not be chosen. Those that are gone are forgotten.
    pub(crate) fn end(&mut self) -> LeftOut {
        self.above.clear();
        self.known.retain(|_, known| known.asked);
        std::mem::take(&mut self.left_out)
    }

    /// Read again within a minute: kernfs does not set the directory's ctime when it is written.
    fn value(&mut self, cgroup: &Cgroup) -> Option<Wanted> {
        let now = self.now;
        if let Some(known) = self.known.get_mut(&cgroup.id())
            && !is_old(known.at, cgroup, now)
        {
            known.asked = true;
            return known.value.clone();
        }
        let value = match cgroup.dir().attribute(ATTRIBUTE, Policy::LONGEST_NAME) {
            Ok(value) => value.as_ref().map(written),
            Err(error) => {
                if !error.is_gone() {
                    self.left_out.add_of(cgroup.path(), Kind::Choice, &error.to_string());
                }
                // It is tried again in the next turn. Until then what was heard last holds: who wants to be
                // left alone still does.
                let known = self.known.get_mut(&cgroup.id())?;
                known.asked = true;
                return known.value.clone();
            }
        };
        // No more than a walk visits, some bytes each.
        self.known.insert(cgroup.id(), Known { value: value.clone(), at: now, asked: true });
        value
    }
}

fn written(attribute: &Attribute) -> Wanted {
    match attribute {
        Attribute::Longer => Wanted::longer(),
        Attribute::Value(bytes) => Wanted::new(bytes),
    }
}

impl Chosen {
    /// Whether its owner wants it to be left alone, and may.
    #[must_use]
    pub fn is_off(&self) -> bool {
        self.outcome == Outcome::Off
    }

    /// Why it is ignored, in a sentence.
    fn refusal(&self) -> String {
        let Self { by, place, written, given, .. } = self;
        format!("{by}: {} is `{written}`, which `may_choose` of policy {given} does not have", place.name())
    }
}

#[cfg(test)]
#[path = "choices_tests.rs"]
mod tests;
