//! From what is asked for and what there is to steps, in their order. Pure.

use std::path::Path;

use lowtide_journal::knobs::{self, Knob};
use lowtide_policy::{HostTiers, SwapSetup};

use crate::{
    facts::Facts,
    step::{Action, Plan, Step},
    zram,
};

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
