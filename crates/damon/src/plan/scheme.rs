use super::{Plan, micros, millis, parts, switch};
use crate::{
    AccessPattern, Destination, Filter, FilterKind, Goal, GoalTuner, Layer, Quota, Scheme, Verdict,
    Watermarks, describe::Keyword,
};

impl Plan {
    pub(super) fn scheme(&mut self, at: &str, scheme: &Scheme) {
        self.keyword(format!("{at}/action"), &scheme.action, "");
        self.value(format!("{at}/apply_interval_us"), &micros(scheme.apply_interval), "0");
        self.destination(at, scheme.action.destination());
        self.pattern(at, &scheme.pattern);
        self.quota(&format!("{at}/quotas"), &scheme.quota);
        self.watermarks(&format!("{at}/watermarks"), scheme.watermarks.as_ref());
        self.filters(at, &scheme.filters);
        self.value(format!("{at}/stats/max_nr_snapshots"), &scheme.max_snapshots, "0");
    }

    fn destination(&mut self, at: &str, destination: Option<&Destination>) {
        let (node, several) = match destination {
            None => (None, &[][..]),
            Some(Destination::Node(node)) => (Some(*node), &[][..]),
            Some(Destination::Interleaved(nodes)) => (None, nodes.as_slice()),
        };
        // NUMA_NO_NODE.
        let node = node.map_or_else(|| "-1".to_owned(), |node| node.to_string());
        self.value(format!("{at}/target_nid"), &node, "-1");
        self.count(format!("{at}/dests/nr_dests"), several.len());
        for (index, (node, weight)) in several.iter().enumerate() {
            self.value(format!("{at}/dests/{index}/id"), &node, "");
            self.value(format!("{at}/dests/{index}/weight"), &weight, "");
        }
    }

    fn pattern(&mut self, at: &str, pattern: &AccessPattern) {
        let at = |file: &str| format!("{at}/access_pattern/{file}");
        self.value(at("sz/min"), &(pattern.size.min.get() / self.unit), "");
        self.value(at("sz/max"), &(pattern.size.max.get() / self.unit), "");
        self.value(at("nr_accesses/min"), &pattern.accesses.min, "");
        self.value(at("nr_accesses/max"), &pattern.accesses.max, "");
        self.value(at("age/min"), &pattern.age.min, "");
        self.value(at("age/max"), &pattern.age.max, "");
    }

    fn quota(&mut self, at: &str, quota: &Quota) {
        let at = |file: &str| format!("{at}/{file}");
        self.value(at("ms"), &millis(quota.time), "");
        self.value(at("bytes"), &(quota.bytes.get() / self.unit), "");
        self.value(at("reset_interval_ms"), &millis(quota.reset_interval), "");
        self.value(at("weights/sz_permil"), &parts(quota.weights.size, 1000), "");
        self.value(at("weights/nr_accesses_permil"), &parts(quota.weights.accesses, 1000), "");
        self.value(at("weights/age_permil"), &parts(quota.weights.age, 1000), "");
        self.keyword(at("goal_tuner"), &quota.tuner, GoalTuner::default().keyword());
        self.value(at("fail_charge_num"), &quota.fail_charge.0, "0");
        self.value(at("fail_charge_denom"), &quota.fail_charge.1, "0");
        self.count(at("goals/nr_goals"), quota.goals.len());
        for (index, goal) in quota.goals.iter().enumerate() {
            self.goal(&at(&format!("goals/{index}")), goal);
        }
    }

    fn goal(&mut self, at: &str, goal: &Goal) {
        let (target, current) = match goal {
            Goal::UserInput { target, current } => (*target, *current),
            Goal::MemoryPressure { target } => (micros(*target), 0),
            Goal::NodeUsed { target, .. }
            | Goal::NodeFree { target, .. }
            | Goal::NodeMemcgUsed { target, .. }
            | Goal::NodeMemcgFree { target, .. }
            | Goal::Active { target }
            | Goal::Inactive { target }
            | Goal::NodeEligible { target, .. } => (parts(*target, 10_000), 0),
        };
        // Goals came before their metrics (6.8, 6.9): then all are user input.
        self.keyword(format!("{at}/target_metric"), goal, "user_input");
        self.value(format!("{at}/target_value"), &target, "");
        self.value(format!("{at}/current_value"), &current, "");
        if let Some(node) = goal.node() {
            self.value(format!("{at}/nid"), &node, "");
        }
        if let Some(memcg) = goal.memcg() {
            self.value(format!("{at}/path"), &memcg, "");
        }
    }

    fn watermarks(&mut self, at: &str, watermarks: Option<&Watermarks>) {
        let [none, free] = Watermarks::KEYWORDS;
        self.word(format!("{at}/metric"), if watermarks.is_some() { free } else { none }, "");
        let Some(Watermarks { interval, high, mid, low }) = watermarks else { return };
        self.value(format!("{at}/interval_us"), &micros(*interval), "");
        self.value(format!("{at}/high"), &parts(*high, 1000), "");
        self.value(format!("{at}/mid"), &parts(*mid, 1000), "");
        self.value(format!("{at}/low"), &parts(*low, 1000), "");
    }

    /// The kernel asks `core_filters`, `ops_filters` and `filters` in this order (`damon_sysfs_mk_scheme`,
    /// 6.15 and later), and sorts by layer itself, so that one directory or two make no difference.
    fn filters(&mut self, at: &str, filters: &[Filter]) {
        if !self.layered {
            self.filter_directory(&format!("{at}/filters"), filters.iter());
            return;
        }
        for layer in Layer::ALL {
            let of_layer = filters.iter().filter(|filter| filter.kind.layer() == layer);
            self.filter_directory(&format!("{at}/{}", layer.directory()), of_layer);
        }
        self.filter_directory(&format!("{at}/filters"), [].iter());
    }

    fn filter_directory<'a>(&mut self, at: &str, filters: impl Iterator<Item = &'a Filter> + Clone) {
        self.count(format!("{at}/nr_filters"), filters.clone().count());
        for (index, filter) in filters.enumerate() {
            self.filter(&format!("{at}/{index}"), filter);
        }
    }

    fn filter(&mut self, at: &str, filter: &Filter) {
        let at = |file: &str| format!("{at}/{file}");
        self.keyword(at("type"), &filter.kind, "");
        self.value(at("matching"), &switch(filter.matching), "");
        self.value(at("allow"), &switch(filter.verdict == Verdict::Allow), "N");
        match &filter.kind {
            FilterKind::Memcg(path) => self.value(at("memcg_path"), &path, ""),
            FilterKind::Address(range) => self.range(&at("addr_"), *range),
            // The documentation says target_idx; the file is damon_target_idx.
            FilterKind::Target(index) => self.value(at("damon_target_idx"), &index, ""),
            FilterKind::HugepageSize(sizes) => {
                self.value(at("min"), &sizes.min.get(), "");
                self.value(at("max"), &sizes.max.get(), "");
            }
            FilterKind::Anonymous | FilterKind::Active | FilterKind::Young | FilterKind::Unmapped => {}
        }
    }
}
