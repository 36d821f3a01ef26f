mod fake;
mod fixtures;
mod lifecycle;
mod ownership;
mod plans;
mod refusals;
mod values;

use std::{num::NonZeroU32, time::Duration};

use crate::{
    Action, AddressRange, Admin, Context, Destination, Filter, FilterKind, Goal, IntervalsGoal, Owned, Probe,
    ProbeFilter, ProbeKind, Process, Scheme, Space, Span, Verdict, Watermarks,
};
use lowtide_core::{Bytes, Ratio};

fn ram() -> Space {
    Space::Physical(vec![AddressRange::new(0x10_0000, 0x8000_0000).unwrap()])
}

/// A context that every kernel with DAMON's sysfs tree takes.
fn plain() -> Context {
    Context::new(ram())
}

/// A context that uses everything, so that a plan of it names every file there is to write.
fn everything() -> Context {
    let mut context = Context::new(Space::Processes(vec![
        Process { ranges: vec![AddressRange::new(0x1000, 0x9000).unwrap()], ..Process::new(1) },
        Process { obsolete: true, ..Process::new(1) },
    ]));
    context.paused = true;
    context.refresh = Some(Duration::from_secs(1));
    context.monitoring.intervals.goal = Some(IntervalsGoal {
        access: Ratio::percent(4.0),
        aggregations: 3,
        min_sample: Duration::from_millis(1),
        max_sample: Duration::from_secs(1),
    });
    let filters = [ProbeKind::Anonymous, ProbeKind::Memcg("/a".into())];
    let filters = filters.map(|kind| ProbeFilter { kind, matching: true, verdict: Verdict::Allow });
    context.monitoring.probes = vec![Probe { weight: 0, filters: filters.into() }];
    context.schemes = vec![scheme(), Scheme::new(Action::MigrateHot(Destination::Node(1)))];
    context
}

fn scheme() -> Scheme {
    let mut scheme = Scheme::new(Action::MigrateCold(Destination::Interleaved(vec![(0, 1), (1, 3)])));
    scheme.apply_interval = Duration::from_secs(2);
    let free = Ratio::percent(50.0);
    scheme.watermarks = Some(Watermarks {
        interval: Duration::from_secs(5),
        high: free,
        mid: Ratio::percent(40.0),
        low: Ratio::ZERO,
    });
    scheme.max_snapshots = 7;
    scheme.quota.fail_charge = (1, 2);
    let (node, target) = (0, Ratio::percent(90.0));
    scheme.quota.goals = vec![
        Goal::UserInput { target: 10, current: 5 },
        Goal::MemoryPressure { target: Duration::from_millis(1) },
        Goal::NodeMemcgUsed { node, memcg: "/a".into(), target },
        Goal::NodeFree { node, target },
        Goal::Active { target },
    ];
    scheme.filters = vec![
        Filter::only(FilterKind::Memcg("/a".into())),
        Filter { verdict: Verdict::Allow, ..Filter::except(FilterKind::Anonymous) },
        Filter::except(FilterKind::Young),
        Filter::except(FilterKind::HugepageSize(Span::new(Bytes::mib(2), Bytes::mib(4)))),
        Filter::except(FilterKind::Address(AddressRange::new(0, 4096).unwrap())),
        Filter::except(FilterKind::Target(1)),
    ];
    scheme
}

/// One kdamond, claimed.
fn claim(admin: &Admin) -> Owned {
    admin.reserve(NonZeroU32::MIN).unwrap().claim().unwrap().pop().unwrap().probe().unwrap()
}
