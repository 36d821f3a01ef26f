//! MGLRU: one walk every so often.

use super::row::{BETWEEN, LOOKS, Row};
use super::{COLD, IDLE};
use crate::guest::Generations;
use anyhow::Result;
use lowtide_kernfs::thread_cpu;
use lowtide_mglru::cohorts;
use std::thread::sleep;
use std::time::{Duration, Instant};

/// A little longer: two of them are what counts as idle.
const EVERY: Duration = BETWEEN.saturating_add(Duration::from_millis(100));
/// Walks until the first generation is so old.
const FIRST: u32 = 3;

/// MGLRU says how many bytes, not which. What is more than the cold part is wrong; the rest counts as found.
pub(super) fn measure(generations: &Generations) -> Result<Row> {
    let mut row = Row::new(format!("mglru, a walk every {} s", EVERY.as_secs()));
    let (begun, cpu) = (Instant::now(), thread_cpu()?);
    for walk in 0..FIRST + LOOKS {
        let memcg = generations.walk()?;
        let idle = cohorts([&memcg]).into_iter().filter(|cohort| cohort.youngest >= IDLE);
        let reported: u64 = idle.map(|cohort| cohort.size.anon.get()).sum();
        if walk >= FIRST {
            row.add((reported.min(COLD), reported.saturating_sub(COLD)), 0);
        }
        sleep(EVERY);
    }
    Ok(row.cost(thread_cpu()?.saturating_sub(cpu), begun.elapsed()))
}
