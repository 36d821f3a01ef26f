//! Why something is not treated.

use lowtide_core::treatments::Treatment;
use lowtide_journal::JournalError;

#[derive(Debug, thiserror::Error)]
pub(super) enum Problem {
    #[error(transparent)]
    Kernel(#[from] lowtide_kernfs::Error),
    #[error(transparent)]
    Cgroup(#[from] lowtide_cgroup::Error),
    #[error(transparent)]
    Journal(#[from] JournalError),
    #[error("{0}")]
    Knob(String),
    #[error("/{path}: this kernel has no such file: {remedy}")]
    Missing { path: &'static str, remedy: &'static str },
    #[error(
        "/sys/kernel/mm/ksm/run is 2: to put that back would take apart all that was merged, at once, and needs the memory for it; \
         write 0 to it, or take `ksm` out of `treatments`"
    )]
    Unmerged,
    #[error("a thread of lowtide ended without a result: see what is above it in the log")]
    Panicked,
}

/// What is said of one treatment: once, not in every turn.
#[derive(Debug)]
pub(super) struct Said {
    treatment: Treatment,
    problem: Option<String>,
}

impl Said {
    pub(super) const fn of(treatment: Treatment) -> Self {
        Self { treatment, problem: None }
    }

    pub(super) fn problem(&self) -> Option<&String> {
        self.problem.as_ref()
    }

    pub(super) fn fails(&mut self, problem: &Problem) {
        let problem = format!("treatments.{}: {problem}", self.treatment);
        if self.problem.as_ref() != Some(&problem) {
            tracing::warn!("{problem}");
        }
        self.problem = Some(problem);
    }

    pub(super) fn works(&mut self) {
        if self.problem.take().is_some() {
            tracing::info!("treatments.{}: it works again", self.treatment);
        }
    }
}
