//! The host's watermarks around [`lowtide_core::watermarks`]: looks in every turn, and sets
//! `vm.watermark_scale_factor` as decided.
//!
//! What the host was found with is in the journal for as long as the factor is another one. Whoever sets it
//! meanwhile gets it.

mod knob;
#[cfg(test)]
mod tests;

use std::{collections::BTreeMap, path::PathBuf, time::Duration};

use lowtide_cgroup::Mount;
use lowtide_core::{
    Bytes,
    watermarks::{self, Decision, Factor, Reason, Settings, greatest, loss},
};
use lowtide_host::Kswapds;
use lowtide_journal::Journal;
use lowtide_kernfs::Root;

use self::knob::{Found, Problem};
use crate::controller::{Controller, Turn};

/// What is known of the watermarks, for metrics and `status`.
#[derive(Debug, Clone, serde::Serialize)]
pub struct WatermarksView {
    /// vm.watermark_scale_factor; `None` where it cannot be read.
    pub factor: Option<Factor>,
    /// Why it is that.
    pub reason: Reason,
    /// What was decided in this turn; nothing while it is left to somebody else, or fails.
    pub decision: Option<Decision>,
    /// Decisions so far, by action and reason.
    #[serde(skip)]
    pub decisions: BTreeMap<(&'static str, &'static str), u64>,
}

/// How far the factor can go on this host.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Reach {
    /// What it is now.
    pub factor: Factor,
    /// The greatest that the settings allow.
    pub limit: Factor,
    /// What MemAvailable loses at most then.
    pub loss: Bytes,
}

impl Reach {
    /// What the settings come to, or what is in the way.
    pub fn of(root: &Root, settings: &Settings) -> Result<Self, String> {
        Self::look(root, settings).map_err(|problem| problem.to_string())
    }

    fn look(root: &Root, settings: &Settings) -> Result<Self, Problem> {
        let factor = knob::read(root)?;
        let seen = lowtide_host::watermarks(root, &mut Kswapds::default())?.ok_or(Problem::Unseen)?;
        let allowed = seen.total.scale(settings.available_loss);
        let limit = greatest(&seen.zones, factor, settings.max_scale_factor, allowed);
        Ok(Self { factor, limit, loss: loss(&seen.zones, factor, limit) })
    }
}

/// The watermarks' part of the daemon.
#[derive(Debug)]
pub(crate) struct Watermarks {
    root: Root,
    kswapds: Kswapds,
    law: watermarks::Controller,
    /// Those of the last turn; `None` as long as nothing is adapted.
    settings: Option<Settings>,
    /// Somebody else has set the factor.
    left: bool,
    /// What was written last; not known after a write that failed, nor before the first one.
    written: Option<Factor>,
    decisions: BTreeMap<(&'static str, &'static str), u64>,
    problem: Option<String>,
}

impl Controller for Watermarks {
    type View = WatermarksView;

    fn new(root: &Root, _: &Mount) -> Self {
        Self::of(root.clone())
    }

    fn turn(&mut self, journal: &mut Journal, turn: &Turn<'_>) -> Option<WatermarksView> {
        self.turn_under(journal, turn.config.watermarks.as_ref(), turn.now)
    }

    fn held(&self) -> Vec<PathBuf> {
        self.settings.iter().map(|_| knob::PATH.into()).collect()
    }

    fn problems(&self) -> Vec<String> {
        self.problem.iter().map(|problem| format!("watermarks: {problem}")).collect()
    }
}

impl Watermarks {
    /// One that has seen nothing yet.
    #[must_use]
    fn of(root: Root) -> Self {
        Self {
            root,
            kswapds: Kswapds::default(),
            law: watermarks::Controller::default(),
            settings: None,
            left: false,
            written: None,
            decisions: BTreeMap::new(),
            problem: None,
        }
    }

    /// Looks, decides, and sets the factor. Without settings, what earlier ones had set is put back.
    fn turn_under(
        &mut self,
        journal: &mut Journal,
        settings: Option<&Settings>,
        now: Duration,
    ) -> Option<WatermarksView> {
        let Some(settings) = settings else {
            self.let_go(journal);
            return None;
        };
        if self.settings.replace(*settings) != Some(*settings) && std::mem::take(&mut self.left) {
            self.law = watermarks::Controller::default();
        }
        Some(match self.adapt(journal, settings, now) {
            Ok(view) => {
                if self.problem.take().is_some() {
                    tracing::info!("the watermarks are adapted again");
                }
                view
            }
            Err(problem) => {
                self.complain(&problem);
                self.count("hold", Reason::Failed);
                let (factor, decisions) = (knob::read(&self.root).ok(), self.decisions.clone());
                WatermarksView { factor, reason: Reason::Failed, decision: None, decisions }
            }
        })
    }

    /// Leaves the factor to whoever has set it. That is so from now on, also where the disk is too slow to
    /// forget it.
    fn leave(&mut self, journal: &mut Journal) -> Result<Found, Problem> {
        self.written = None;
        if !std::mem::replace(&mut self.left, true) {
            tracing::warn!(
                "/{}: somebody else has set it: it is theirs until `watermarks` is changed or lowtide restarted",
                knob::PATH
            );
        }
        knob::forget(journal)?;
        let factor = knob::read(&self.root)?;
        Ok(Found { factor, original: factor })
    }

    fn adapt(
        &mut self,
        journal: &mut Journal,
        settings: &Settings,
        now: Duration,
    ) -> Result<WatermarksView, Problem> {
        let found = knob::look(&self.root, journal, self.written)?;
        let Found { factor, original } = match found {
            Some(found) => found,
            None => self.leave(journal)?,
        };
        if self.left {
            self.count("hold", Reason::Foreign);
            return Ok(self.view(factor, Reason::Foreign, None));
        }
        let seen = lowtide_host::watermarks(&self.root, &mut self.kswapds)?.ok_or(Problem::Unseen)?;
        let before = self.law.clone();
        let decision = self.law.decide(&seen, factor, original, settings, now);
        tracing::debug!(
            from = %decision.from, to = %decision.to, reason = %decision.reason, stalls = decision.figures.stalls,
            kswapd_cpu = %decision.figures.kswapd_cpu, limit = %decision.figures.limit, "the watermarks"
        );
        if decision.to != decision.from {
            self.written = None;
            if let Err(problem) = knob::set(&self.root, journal, &decision) {
                // What was seen is not answered yet.
                self.law = before;
                return Err(problem);
            }
            self.written = Some(decision.to);
            tracing::info!(
                "/{}: was `{}`, written `{}` (watermarks: {})",
                knob::PATH,
                decision.from,
                decision.to,
                decision.reason.sentence()
            );
        }
        self.count(decision.action(), decision.reason);
        Ok(self.view(decision.to, decision.reason, Some(decision)))
    }

    fn view(&self, factor: Factor, reason: Reason, decision: Option<Decision>) -> WatermarksView {
        let decisions = self.decisions.clone();
        WatermarksView { factor: Some(factor), reason, decision, decisions }
    }

    fn count(&mut self, action: &'static str, reason: Reason) {
        *self.decisions.entry((action, reason.name())).or_default() += 1;
    }

    /// Once, not in every turn.
    fn complain(&mut self, problem: &Problem) {
        let problem = problem.to_string();
        if self.problem.as_ref() != Some(&problem) {
            tracing::warn!("the watermarks are not adapted: {problem}");
        }
        self.problem = Some(problem);
    }

    /// Of a journal that was there at the start the daemon itself puts everything back.
    fn let_go(&mut self, journal: &mut Journal) {
        if self.settings.is_none() {
            return;
        }
        match knob::put_back(&self.root, journal) {
            Ok(()) => *self = Self::of(self.root.clone()),
            // Tried again in the next turn.
            Err(problem) => self.complain(&problem),
        }
    }
}
