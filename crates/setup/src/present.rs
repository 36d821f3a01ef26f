//! Plans and what came of them, in words.

use std::fmt;

use lowtide_core::escaped;
use lowtide_kernfs::shown;

use crate::{Action, Applied, Deed, Failed, Plan, State, Step, Undone};

impl fmt::Display for Action {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::AddZram { name, .. } => write!(f, "/dev/{name}"),
            Self::SetZram { name, file, .. } => write!(f, "{name} {file}"),
            Self::Mark { device } => write!(f, "{} mark", shown(device)),
            Self::Format { device, .. } => write!(f, "{} content", shown(device)),
            Self::SwapOn { device, .. } => write!(f, "{} swap", shown(device)),
            Self::Set { path, .. } => write!(f, "/{}", shown(path)),
        }
    }
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { action, now, then, state, why } = self;
        let (now, then) = (escaped(now), escaped(then));
        match state {
            State::Already => write!(f, "already so  {action}: {now}")?,
            State::ToDo => write!(f, "to do       {action}: {now} -> {then}")?,
            State::Impossible => write!(f, "IMPOSSIBLE  {action}: {now} -> {then}")?,
        }
        why.as_ref().map_or(Ok(()), |why| write!(f, " ({why})"))
    }
}

impl fmt::Display for Plan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.steps.iter().try_for_each(|step| writeln!(f, "{step}"))?;
        if self.steps.is_empty() {
            writeln!(f, "nothing is asked for under `tiers`")
        } else if !self.is_possible() {
            writeln!(f, "something is impossible: nothing is done before that is mended")
        } else if self.is_done() {
            writeln!(f, "everything is as asked for")
        } else {
            writeln!(f, "`lowtide tiers apply` does this, from the top down; `lowtide restore` undoes it")
        }
    }
}

impl fmt::Display for Applied {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for Step { action, now, then, .. } in &self.done {
            writeln!(f, "done        {action}: {} -> {}", escaped(now), escaped(then))?;
        }
        match &self.failed {
            Some(Failed { step: Step { action, then, .. }, error }) => {
                writeln!(f, "FAILED      {action}: -> {then}: {error}")?;
                writeln!(f, "`lowtide restore` undoes what was done; apply again goes on")
            }
            None if self.plan.is_possible() && self.done.is_empty() && !self.plan.steps.is_empty() => {
                writeln!(f, "nothing to do: everything is as asked for")
            }
            None if self.plan.is_possible() && !self.plan.steps.is_empty() => {
                writeln!(f, "everything is as asked for; `lowtide restore` undoes it")
            }
            None => write!(f, "{}", self.plan),
        }
    }
}

impl fmt::Display for Deed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Setting { path, .. } => write!(f, "/{}", shown(path)),
            Self::Zram { name, .. } => write!(f, "/dev/{name}"),
            Self::Swap { device, .. } => write!(f, "{}", shown(device)),
        }
    }
}

impl fmt::Display for Undone {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Undone => f.write_str("undone"),
            Self::Nothing => f.write_str("nothing to undo: it is as before, or gone"),
            Self::NotOurs(why) => write!(f, "left as it is: {why}"),
            Self::Kept(used) => write!(
                f,
                "KEPT: {used} of swapped-out memory live there. Run restore again when its owners have ended or touched it; \
                 or bring it into DRAM now with swapoff, if MemAvailable is well above that"
            ),
            Self::Refused(error) => write!(f, "NOT undone, still recorded: {error}"),
        }
    }
}
