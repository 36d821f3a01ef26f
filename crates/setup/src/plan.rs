//! From what is asked for and what there is to steps, in their order. Pure.

use std::path::{Path, PathBuf};

use lowtide_core::Bytes;
use lowtide_journal::knobs::{self, Knob};
use lowtide_policy::{HostTiers, SwapSetup};
use serde::Serialize;

use crate::{facts::Facts, zram};

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

    fn noting(self, why: Option<&str>) -> Self {
        Self { why: self.why.or_else(|| why.map(str::to_owned)), ..self }
    }
}

/// The steps from `facts` to `wanted`: devices first, the settings that send pages to them last.
pub(crate) fn plan(wanted: &HostTiers, facts: &Facts) -> Plan {
    let zram = wanted.zram.iter().flat_map(|setup| zram::steps(setup, facts));
    let swaps = wanted.swap.iter().map(|swap| swap_on(swap, facts));
    let settings = facts.settings.iter().map(|(knob, found)| setting(knob, found.as_deref(), facts));
    Plan { steps: zram.chain(swaps).chain(settings).collect() }
}

fn swap_on(wanted: &SwapSetup, facts: &Facts) -> Step {
    let active = facts.active(&wanted.device);
    let now = active.map_or_else(|| "off".to_owned(), |swap| format!("on, priority {}", swap.priority));
    let then = wanted.priority.map_or_else(|| "on".to_owned(), |priority| format!("on, priority {priority}"));
    let is_so =
        active.is_some_and(|swap| wanted.priority.is_none_or(|wanted| swap.priority == i32::from(wanted)));
    let why_not = match active {
        Some(_) => Some(
            "a priority is chosen when it is switched on, and lowtide does not switch off what it found: swapoff it, or \
             take the priority out of the configuration"
                .to_owned(),
        ),
        None => cannot_swap_on(&wanted.device, facts),
    };
    let action = Action::SwapOn { device: wanted.device.clone(), priority: wanted.priority, own: false };
    Step::new(action, now, then).already_if(is_so).unless(why_not)
}

fn cannot_swap_on(path: &Path, facts: &Facts) -> Option<String> {
    use lowtide_kernfs::Node;
    use lowtide_tiers::Content;
    let Some(disk) = facts.disks.get(path) else { return Some("there is no such device or file".to_owned()) };
    match (disk.node, disk.content) {
        (Node::Other, _) => Some("it is neither a block device nor a file".to_owned()),
        _ if disk.claimed => Some("it is in use: mounted, or part of something else".to_owned()),
        (_, Content::Swap) => None,
        (_, Content::Other(content)) => Some(format!("it holds {content}, not swap space")),
        (_, Content::Blank | Content::Marked | Content::Unknown) => {
            Some("it is not formatted as swap space: mkswap it, lowtide formats only its own zram".to_owned())
        }
    }
}

fn setting(knob: &Knob, found: Option<&str>, facts: &Facts) -> Step {
    let action = Action::Set { path: knob.path.clone(), value: knob.value.clone() };
    let missing = found.is_none().then(|| format!("this kernel has no such file (`{}`)", knob.key));
    let is_so = found.is_some_and(|found| knobs::same(found, &knob.value));
    let to_or_from =
        knob.key == "tiers.demotion" && knob.value == "1" || knob.key.starts_with("tiers.promotion");
    let to_nowhere = to_or_from && !facts.has_slow_memory;
    Step::new(action, found.unwrap_or("not there"), knob.value.clone())
        .already_if(is_so)
        .unless(missing)
        .noting(to_nowhere.then_some("without effect: this host has no slower memory tier"))
}
