//! Doing the steps of a plan, one after the other. After each one the host is looked at again: a call that
//! succeeded is no evidence.

use std::path::Path;

use lowtide_policy::HostTiers;

use crate::{
    SetupError,
    deeds::{Deed, Deeds},
    facts::Facts,
    hot_add::add_zram,
    kernel::Kernel,
    plan::plan,
    step::{Action, Plan, State, Step},
    undo,
};

/// What `lowtide tiers apply` did.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Applied {
    /// The steps that were done, in their order.
    pub done: Vec<Step>,
    /// The step at which it ended, and why, if not everything is as asked for.
    pub failed: Option<Failed>,
    /// What is so at the end.
    pub plan: Plan,
}

/// A step that the kernel did not take.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Failed {
    /// Which.
    pub step: Step,
    /// What the kernel said.
    pub error: String,
}

/// Sets up what is asked for; nothing if anything of it is impossible.
pub(crate) fn apply(
    kernel: &mut impl Kernel,
    deeds: &mut Deeds,
    wanted: &HostTiers,
) -> Result<Applied, SetupError> {
    undo::unfinished(kernel, deeds)?;
    let mut done: Vec<Step> = Vec::new();
    loop {
        let plan = plan(wanted, &Facts::read(kernel, wanted, deeds.all())?);
        let next = plan.steps.iter().find(|step| step.state == State::ToDo).cloned();
        let Some(step) = next.filter(|_| plan.is_possible()) else {
            // What only shows on the new device, such as its algorithms: it is not left behind.
            if let [Step { action: Action::AddZram { name, .. }, .. }] = &done[..]
                && !plan.is_possible()
            {
                undo::remove_new(kernel, deeds, name)?;
                done.clear();
            }
            return Ok(Applied { done, failed: None, plan });
        };
        let result = if done.iter().any(|done| done.action == step.action) {
            Err(format!("the kernel took it, and it is {} again", step.now))
        } else {
            carry_out(kernel, deeds, &step)?
        };
        if let Err(error) = result {
            return Ok(Applied { done, failed: Some(Failed { step, error }), plan });
        }
        done.push(step);
    }
}

/// One step. What the kernel refuses is the inner error.
fn carry_out(
    kernel: &mut impl Kernel,
    deeds: &mut Deeds,
    step: &Step,
) -> Result<Result<(), String>, SetupError> {
    let result = match &step.action {
        Action::AddZram { name, size } => return add_zram(kernel, deeds, name, *size),
        Action::SetZram { name, file, value } => {
            kernel.write(&Path::new("sys/block").join(name).join(file), value)
        }
        Action::Mark { device } => kernel.mark(device),
        Action::Format { device, size } => kernel.format(device, *size),
        Action::SwapOn { device, priority, own } => {
            let deed = Deed::Swap { device: device.clone(), priority: *priority };
            if !own {
                deeds.note(deed.clone())?;
            }
            let result = kernel.swap_on(device, *priority);
            if result.is_err() && !own {
                // Whoever switches it on later, it is not ours to switch off.
                deeds.forget(&deed)?;
            }
            result
        }
        Action::Set { path, value } => {
            deeds.note(Deed::Setting {
                path: path.clone(),
                original: step.now.clone(),
                written: value.clone(),
            })?;
            kernel.write(path, value)
        }
    };
    Ok(result.map_err(|error| error.to_string()))
}
