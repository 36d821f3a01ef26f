//! One thing that is to be so, and the call of the kernel that brings it about: what plans are made of.

use std::path::PathBuf;

use lowtide_core::Bytes;
use serde::Serialize;

/// What `lowtide tiers apply` would do.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub struct Plan {
    /// In the order in which they are done.
    pub steps: Vec<Step>,
}

/// One thing that is to be so.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Step {
    /// What brings it about.
    #[serde(flatten)]
    pub action: Action,
    /// What is now.
    pub now: String,
    /// What will be.
    pub then: String,
    /// Whether anything has to be done.
    pub state: State,
    /// Why it is impossible, or what should be known of it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub why: Option<String>,
}

/// One call of the kernel, or a few.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "action", rename_all = "snake_case")]
pub enum Action {
    /// Makes a zram device (hot_add).
    AddZram {
        /// The name that it will have.
        name: String,
        /// The disksize that is meant for it.
        size: Bytes,
    },
    /// Writes a file of a zram device.
    SetZram {
        /// The device.
        name: String,
        /// The file: `comp_algorithm`, `backing_dev`, `disksize` or `mem_limit`.
        file: &'static str,
        /// What is written.
        value: String,
    },
    /// Marks a blank device as a backing device of zram that lowtide took.
    Mark {
        /// The device.
        device: PathBuf,
    },
    /// Writes a swap header on a zram device.
    Format {
        /// The device.
        device: PathBuf,
        /// Its size.
        size: Bytes,
    },
    /// Switches a swap device or file on.
    SwapOn {
        /// The device.
        device: PathBuf,
        /// Its priority; the kernel's choice if `None`.
        priority: Option<u16>,
        /// A zram device of lowtide's: its own record is enough.
        own: bool,
    },
    /// Writes a kernel setting.
    Set {
        /// From the root directory.
        path: PathBuf,
        /// What is written.
        value: String,
    },
}

/// Whether anything has to be done.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum State {
    /// It is so already.
    Already,
    /// It has to be done.
    ToDo,
    /// It cannot be done, so nothing of the plan is.
    Impossible,
}

impl Plan {
    /// Nothing of it is impossible.
    #[must_use]
    pub fn is_possible(&self) -> bool {
        self.steps.iter().all(|step| step.state != State::Impossible)
    }

    /// What is impossible, and why.
    pub fn impossible(&self) -> impl Iterator<Item = (&Action, &str)> {
        let impossible = self.steps.iter().filter(|step| step.state == State::Impossible);
        impossible.map(|step| (&step.action, step.why.as_deref().unwrap_or_default()))
    }

    /// Everything is as it shall be.
    #[must_use]
    pub fn is_done(&self) -> bool {
        self.steps.iter().all(|step| step.state == State::Already)
    }
}

impl Step {
    pub(super) fn new(action: Action, now: impl Into<String>, then: impl Into<String>) -> Self {
        Self { action, now: now.into(), then: then.into(), state: State::ToDo, why: None }
    }

    pub(super) fn already_if(self, so: bool) -> Self {
        if so && self.state == State::ToDo { Self { state: State::Already, ..self } } else { self }
    }

    /// `why` says why not, if there is a reason.
    pub(super) fn unless(self, why: Option<String>) -> Self {
        if why.is_some() && self.state == State::ToDo {
            Self { state: State::Impossible, why, ..self }
        } else {
            self
        }
    }

    pub(super) fn noting(self, why: Option<&str>) -> Self {
        Self { why: self.why.or_else(|| why.map(str::to_owned)), ..self }
    }
}
