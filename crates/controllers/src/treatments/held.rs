//! A treatment that is kernel settings, made for as long as its law wants them.

use std::{fmt::Debug, path::PathBuf, time::Duration};

use lowtide_core::{
    Tier,
    treatments::{Reason, Treatment},
};
use lowtide_journal::Journal;
use lowtide_kernfs::Root;

use super::{
    counts::{Action, Counts},
    problem::{Problem, Said},
    setting::{Held, Setting, Wanted},
};

/// What sets one such treatment apart from the others.
pub(super) trait Law: Debug + Clone + Default {
    const TREATMENT: Treatment;
    /// In the configuration.
    const KEY: &'static str;
    /// Made in this order, and put back in the other one.
    const WANTED: &'static [Wanted];
    /// What the kernel tells at one look.
    type Seen;
    type Decision: Copy;
    /// What is known of it, for metrics and `status`.
    type View;

    fn look(root: &Root, setting: &Setting, tiers: &[Tier]) -> Result<Self::Seen, Problem>;

    fn decide(
        &mut self,
        seen: Self::Seen,
        setting: &Setting,
        now: Duration,
    ) -> Result<Self::Decision, Problem>;

    /// Why, and whether the settings shall be made; else the host has what it was found with.
    fn verdict(decision: &Self::Decision) -> (Reason, bool);

    /// What comes before the settings are made.
    fn prepare(_: &mut Setting, _: &mut Journal) -> Result<(), Problem> {
        Ok(())
    }

    /// Without a decision while it is left to somebody else, or fails.
    fn view(reason: Reason, decision: Option<Self::Decision>, setting: &Setting) -> Self::View;
}

/// One such treatment.
#[derive(Debug)]
pub(super) struct HeldBy<L> {
    root: Root,
    law: L,
    setting: Setting,
    pub(super) said: Said,
}

impl<L: Law> HeldBy<L> {
    pub(super) fn new(root: Root) -> Self {
        let setting = Setting::new(root.clone(), L::KEY, L::WANTED);
        Self { root, law: L::default(), setting, said: Said::of(L::TREATMENT) }
    }

    /// The knobs that are this daemon's to put back.
    pub(super) fn held(&self) -> impl Iterator<Item = PathBuf> {
        self.setting.paths()
    }

    /// Forgets that it was given up, or left to somebody else. What is held is neither.
    pub(super) fn begin_anew(&mut self) {
        if !self.setting.is_held() {
            self.law = L::default();
            self.setting.take_over();
        }
    }

    pub(super) fn put_back(&mut self, journal: &mut Journal) {
        match self.setting.put_back(journal) {
            Ok(()) => self.said.works(),
            Err(problem) => self.said.fails(&problem),
        }
    }

    pub(super) fn turn(
        &mut self,
        journal: &mut Journal,
        tiers: &[Tier],
        counts: &mut Counts,
        now: Duration,
    ) -> L::View {
        let was_held = self.setting.is_held();
        let held = self.hold(journal, tiers, now);
        match &held {
            Ok(_) => self.said.works(),
            Err(problem) => self.said.fails(problem),
        }
        let decision = held.as_ref().ok().copied().flatten();
        let reason = match &held {
            Ok(Some(decision)) => L::verdict(decision).0,
            Ok(None) => Reason::Foreign,
            Err(_) => Reason::Failed,
        };
        counts.add(L::TREATMENT, Action::between(was_held, self.setting.is_held()), reason);
        L::view(reason, decision, &self.setting)
    }

    /// `None` where somebody else has set it.
    fn hold(
        &mut self,
        journal: &mut Journal,
        tiers: &[Tier],
        now: Duration,
    ) -> Result<Option<L::Decision>, Problem> {
        let seen = L::look(&self.root, &self.setting, tiers)?;
        if self.setting.is_foreign(journal)? {
            return Ok(None);
        }
        let before = self.law.clone();
        let decision = self.law.decide(seen, &self.setting, now)?;
        if !L::verdict(&decision).1 {
            self.setting.put_back(journal)?;
            return Ok(Some(decision));
        }
        let set = L::prepare(&mut self.setting, journal).and_then(|()| self.setting.hold(journal));
        match set {
            Ok(Held::AsAsked) => Ok(Some(decision)),
            Ok(Held::Foreign) => Ok(None),
            Err(problem) => {
                // What is not set cannot be tried.
                self.law = before;
                Err(problem)
            }
        }
    }
}

/// Whether a law has what it needs here.
pub(super) fn possible<L: Law>(root: &Root) -> Result<(), Problem> {
    let setting = Setting::new(root.clone(), L::KEY, L::WANTED);
    L::look(root, &setting, &[])?;
    L::WANTED.iter().try_for_each(|one| setting.read(one).map(drop))
}
