use std::time::{Duration, Instant};

use lowtide_core::{Ratio, treatments::TENSE};
use lowtide_kernfs::Root;

/// Over a shorter time a single stall is everything.
const LEAST: Duration = Duration::from_millis(100);

/// Pressure on the host's memory while a piece of work is done, looked at on its own thread: a turn of the
/// loop may be minutes apart.
pub(super) struct Strain<'a> {
    root: &'a Root,
    before: Option<(Instant, Duration)>,
}

impl<'a> Strain<'a> {
    pub(super) fn begin(root: &'a Root) -> Self {
        Self { root, before: total(root).map(|total| (Instant::now(), total)) }
    }

    /// So much stalls since the last look that no more is begun.
    pub(super) fn is_tense(&mut self) -> bool {
        let Some((at, before)) = self.before else { return false };
        let span = at.elapsed();
        if span < LEAST {
            return false;
        }
        let Some(now) = total(self.root) else { return false };
        self.before = Some((Instant::now(), now));
        Ratio::new(now.saturating_sub(before).as_secs_f64() / span.as_secs_f64()) > TENSE
    }
}

/// How long some task was stalled on memory since the boot; `None` where that is not measured or cannot be
/// read.
pub(super) fn total(root: &Root) -> Option<Duration> {
    let stall = lowtide_psi::read(root, lowtide_psi::Resource::Memory.host_file()).ok().flatten()?;
    Some(stall.some)
}
