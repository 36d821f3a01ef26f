//! What is done with the driver when nobody else runs, and what it refuses.

use crate::guest::knobs;
use anyhow::{Context, Result};
use lowtide_damon::{
    Action, Admin, Context as Description, Error, ExclusiveUser, Filter, FilterKind, Goal, Owned, Process,
    Scheme, Space, system_ram, teardown_recorded,
};
use lowtide_kernfs::Root;
use serde::{Deserialize, Serialize};
use std::num::NonZeroU32;
use std::path::Path;

/// DAMON_STAT and its kin.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Exclusive {
    kind: String,
    /// What starting beside one says.
    pub(super) error: Option<String>,
}

/// Starts where an exclusive user may be on, then switches it off.
pub(super) fn exclusive(root: &Root, admin: &Admin) -> Result<Exclusive> {
    let mut owned = claim(admin)?;
    let started = owned.start(&everywhere(root)?);
    let error = match started {
        Ok(()) => None,
        Err(error @ Error::Exclusive { .. }) => Some(error.to_string()),
        Err(error) => return Err(error.into()),
    };
    owned.teardown()?;
    knobs::write("/sys/kernel/mm/damon/admin/kdamonds/nr_kdamonds", "0")?;
    for user in ExclusiveUser::enabled(root)? {
        knobs::write(Path::new("/").join(user.parameter()), "N")?;
    }
    Ok(Exclusive { kind: "exclusive".into(), error })
}

/// With nobody else.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Alone {
    kind: String,
    /// nr_kdamonds before, with ours, and after.
    pub(super) numbers: Vec<u64>,
    pub(super) recovered: Vec<String>,
}

pub(super) fn alone(root: &Root, admin: &Admin) -> Result<Alone> {
    let number =
        || -> Result<u64> { Ok(knobs::read("/sys/kernel/mm/damon/admin/kdamonds/nr_kdamonds")?.parse()?) };
    let mut numbers = vec![number()?];
    let reservation = admin.reserve(NonZeroU32::MIN)?;
    let mut records = Vec::from_iter(reservation.record());
    let mut owned = reservation.claim()?.pop().context("nothing was claimed")?.probe()?;
    owned.start(&everywhere(root)?)?;
    numbers.push(number()?);
    records.push(owned.record());
    drop(owned);
    let recovered = teardown_recorded(root, &records)?.into_iter().collect::<Result<Vec<_>, _>>()?;
    numbers.push(number()?);
    let recovered = recovered.iter().map(|recovered| format!("{recovered:?}")).collect();
    Ok(Alone { kind: "alone".into(), numbers, recovered })
}

/// What cannot be had.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Refused {
    kind: String,
    pub(super) errors: Vec<(String, String)>,
}

pub(super) fn refused(admin: &Admin) -> Result<Refused> {
    let mut errors = Vec::new();
    let two = NonZeroU32::new(2).context("two")?;
    match admin.reserve(two) {
        Err(error @ Error::NoVacancy { .. }) => errors.push(("no room".to_owned(), error.to_string())),
        other => anyhow::bail!("two directories beside a running one: {other:?}"),
    }
    let mut owned = claim(admin)?;
    let gone = Description::new(Space::Processes(vec![Process::new(4_000_000)]));
    match owned.start(&gone) {
        Err(error @ Error::ProcessGone { .. }) => errors.push(("no process".to_owned(), error.to_string())),
        other => anyhow::bail!("a process that is not there: {other:?}"),
    }
    let mut no_cgroup = Description::new(Space::Processes(vec![Process::new(1)]));
    no_cgroup.schemes = vec![Scheme::new(Action::PageOut)];
    no_cgroup.schemes[0].filters = vec![Filter::only(FilterKind::Memcg("/nobody".into()))];
    match owned.start(&no_cgroup) {
        Err(error @ Error::MemcgGone { .. }) => errors.push(("no cgroup".to_owned(), error.to_string())),
        other => anyhow::bail!("a cgroup that is not there: {other:?}"),
    }
    let mut new = Description::new(Space::Processes(vec![Process::new(1)]));
    new.paused = true;
    new.schemes[0].quota.goals = vec![Goal::Active { target: lowtide_core::Ratio::ONE }];
    match owned.start(&new) {
        Err(error @ Error::Missing { .. }) => errors.push(("too new".to_owned(), error.to_string())),
        Ok(()) => errors.push(("too new".to_owned(), "this kernel has all of it".to_owned())),
        other => anyhow::bail!("parts that not every kernel has: {other:?}"),
    }
    owned.teardown()?;
    Ok(Refused { kind: "refused".into(), errors })
}

pub(in crate::scenarios) fn claim(admin: &Admin) -> Result<Owned> {
    Ok(admin.reserve(NonZeroU32::MIN)?.claim()?.pop().context("nothing was claimed")?.probe()?)
}

pub(super) fn everywhere(root: &Root) -> Result<Description> {
    Ok(Description::new(Space::Physical(system_ram(root)?)))
}
