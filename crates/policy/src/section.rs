//! Which keys there are, and where.

/// One map of the configuration.
#[derive(Debug)]
pub(crate) struct Section {
    /// How messages call it.
    pub name: &'static str,
    /// How messages say that a key belongs there.
    pub home: &'static str,
    /// Keys that are read, in the order of the reference.
    pub keys: &'static [&'static str],
    /// What it may look like.
    pub example: &'static str,
}

pub(crate) const HOST: Section = Section {
    name: "the configuration",
    home: "at the top level of lowtide.yaml",
    keys: &[
        "interval",
        "metrics",
        "control",
        "state_dir",
        "hotness",
        "history",
        "budgets",
        "holdout",
        "balancer",
        "watermarks",
        "treatments",
        "tiers",
        "price_per_gib_month",
        "policies",
    ],
    example: "{ interval: 6s }",
};

/// A file in `policies.d`.
pub(crate) const POLICY_FILE: Section = Section {
    name: "a file in policies.d",
    home: "at the top level",
    keys: &["policies"],
    example: "{ policies: [{ name: web, match: [\"/web.slice/**\"] }] }",
};

pub(crate) const METRICS: Section = Section {
    name: "`metrics`",
    home: "under `metrics`",
    keys: &["listen", "group", "users", "token_file"],
    example: "{ listen: \"127.0.0.1:9464\" }",
};

pub(crate) const CONTROL: Section = Section {
    name: "`control`",
    home: "under `control`",
    keys: &["socket", "group"],
    example: "{ socket: /run/lowtide/lowtide.sock }",
};

pub(crate) const HOTNESS: Section = Section {
    name: "`hotness`",
    home: "under `hotness`",
    keys: &["source", "interval", "cpu", "observe"],
    example: "{ interval: 30s }",
};

pub(crate) const HISTORY: Section = Section {
    name: "`history`",
    home: "under `history`",
    keys: &["enabled", "keep", "max_size"],
    example: "{ keep: 7d, max_size: 64MiB }",
};

pub(crate) const BUDGETS: Section = Section {
    name: "`budgets`",
    home: "under `budgets`",
    keys: &["reclaim_cpu", "swap_out", "swap_reserve", "watermark_distance", "direct_reclaim"],
    example: "{ swap_out: 64MiB/s }",
};

pub(crate) const HOLDOUT: Section = Section {
    name: "`holdout`",
    home: "under `holdout`",
    keys: &["share", "seed"],
    example: "{ share: 5% }",
};

pub(crate) const BALANCER: Section = Section {
    name: "`balancer`",
    home: "under `balancer`",
    keys: &["watermark", "low", "scan_interval", "min_age", "rate", "write_budget"],
    example: "{ watermark: 80% }",
};

pub(crate) const WATERMARKS: Section = Section {
    name: "`watermarks`",
    home: "under `watermarks`",
    keys: &["adapt", "max_scale_factor", "available_loss", "protection"],
    example: "{ adapt: true }",
};

pub(crate) const TREATMENTS: Section = Section {
    name: "`treatments`",
    home: "under `treatments`",
    keys: &["compaction", "dying_cgroups", "ksm", "thp_defrag", "page_cluster"],
    example: "{ compaction: true }",
};

pub(crate) const TIERS: Section = Section {
    name: "`tiers`",
    home: "under `tiers`",
    keys: &["apply", "zram", "swap", "zswap", "demotion", "promotion"],
    example: "{ demotion: true }",
};

pub(crate) const ZRAM: Section = Section {
    name: "`tiers.zram`",
    home: "under `tiers.zram`",
    keys: &["size", "memory", "algorithm", "backing", "priority"],
    example: "{ size: 200%, memory: 25%, algorithm: lz4 }",
};

pub(crate) const SWAP: Section = Section {
    name: "a device in `tiers.swap`",
    home: "in a device of `tiers.swap`",
    keys: &["device", "priority"],
    example: "{ device: /dev/vdb, priority: 10 }",
};

pub(crate) const ZSWAP: Section = Section {
    name: "`tiers.zswap`",
    home: "under `tiers.zswap`",
    keys: &["enabled", "compressor", "max_pool_percent", "shrinker"],
    example: "{ enabled: true }",
};

pub(crate) const PROMOTION: Section = Section {
    name: "`tiers.promotion`",
    home: "under `tiers.promotion`",
    keys: &["rate"],
    example: "{ rate: 64MiB/s }",
};

pub(crate) const PRICE: Section = Section {
    name: "`price_per_gib_month`",
    home: "under `price_per_gib_month`",
    keys: &["dram", "currency"],
    example: "{ dram: 3.0, currency: USD }",
};

pub(crate) const POLICY: Section = Section {
    name: "a policy",
    home: "in a policy",
    keys: &[
        "name",
        "match",
        "mode",
        "slo",
        "cold_after",
        "tiers",
        "tmpfs_to_disk",
        "limits",
        "lines",
        "namespaces",
        "may_choose",
    ],
    example: "{ name: web, match: [\"/web.slice/**\"], mode: full }",
};

pub(crate) const TIER_RULE: Section = Section {
    name: "a tier of a policy",
    home: "in a tier of a policy",
    keys: &["use", "after", "at_most"],
    example: "{ use: zram, after: 5m, at_most: 2GiB }",
};

pub(crate) const SLO: Section = Section {
    name: "`slo`",
    home: "under `slo` in a policy",
    keys: &["memory_pressure", "io_pressure", "slowdown", "promotion_rate"],
    example: "{ memory_pressure: 0.1% }",
};

pub(crate) const LIMITS: Section = Section {
    name: "`limits`",
    home: "under `limits` in a policy",
    keys: &["floor", "per_minute"],
    example: "{ floor: 256MiB, per_minute: 5% }",
};

pub(crate) const LINES: Section = Section {
    name: "`lines`",
    home: "under `lines` in a policy",
    keys: &["hot", "warm", "cold"],
    example: "{ hot: 1m, warm: 5m, cold: 1h }",
};

/// All of them; where two have the same key, the likelier home first.
pub(crate) const ALL: &[&Section] = &[
    &HOST,
    &METRICS,
    &CONTROL,
    &HOTNESS,
    &HISTORY,
    &BUDGETS,
    &HOLDOUT,
    &BALANCER,
    &WATERMARKS,
    &TREATMENTS,
    &TIERS,
    &ZRAM,
    &SWAP,
    &ZSWAP,
    &PRICE,
    &POLICY,
    &TIER_RULE,
    &SLO,
    &LIMITS,
    &LINES,
];

/// A treatment that there is not, and why.
const NO_TREATMENT: (&str, &str) = (
    "negative_dentries",
    "no stock kernel frees names that do not exist and nothing else within a bound, as docs/treatments.md explains; remove the key, and \
     see what `lowtide doctor` says of them",
);

/// Longer text is no misspelt key, and comparing it costs time.
const MAX_KEY_CHARS: usize = 40;

impl Section {
    /// What is wrong with `key`, which is not one of this section's.
    pub(crate) fn unknown(&self, key: &str) -> (String, String) {
        let (refused, why) = NO_TREATMENT;
        if self.name == TREATMENTS.name && key == refused {
            return (format!("there is no treatment `{refused}`"), why.to_owned());
        }
        let message = format!("unknown key `{}` in {}", crate::units::short(key), self.name);
        let help = match (self.similar(key), self.elsewhere(key)) {
            (Some(similar), _) => format!("did you mean `{similar}`? {}", self.allowed()),
            (None, Some(home)) => format!("`{key}` belongs {home}; {}", self.allowed()),
            (None, None) => self.allowed(),
        };
        (message, help)
    }

    /// What it is, for "is …".
    pub(crate) fn map(&self) -> String {
        format!("a map, such as {}", self.example)
    }

    fn allowed(&self) -> String {
        let keys: Vec<String> = self.keys.iter().map(|key| format!("`{key}`")).collect();
        match keys.as_slice() {
            [only] => format!("the only key allowed here is {only}"),
            keys => format!("allowed here: {}", keys.join(", ")),
        }
    }

    /// The key that was probably meant by `key`.
    pub(crate) fn similar(&self, key: &str) -> Option<&'static str> {
        let chars = key.chars().take(MAX_KEY_CHARS + 1).count();
        if chars > MAX_KEY_CHARS {
            return None;
        }
        let plain = key.to_lowercase().replace('-', "_");
        let distance = |known: &&&str| strsim::damerau_levenshtein(&plain, known);
        self.keys.iter().min_by_key(distance).filter(|known| distance(known) <= chars / 3).copied()
    }

    fn elsewhere(&self, key: &str) -> Option<&'static str> {
        let has = |section: &&&Section| section.keys.contains(&key) && section.name != self.name;
        ALL.iter().find(has).map(|section| section.home)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slip_is_recognised() {
        for (key, meant) in [("intervall", "interval"), ("Metrics", "metrics"), ("state-dir", "state_dir")] {
            assert!(HOST.unknown(key).1.contains(&format!("did you mean `{meant}`?")), "{key}");
        }
        for key in ["x", "", "colour", &"interval".repeat(100)] {
            assert!(!HOST.unknown(key).1.contains("did you mean"), "{key}");
        }
    }

    #[test]
    fn a_key_at_the_wrong_level_is_sent_home() {
        assert!(POLICY.unknown("floor").1.starts_with("`floor` belongs under `limits` in a policy"));
        assert!(
            POLICY_FILE
                .unknown("interval")
                .1
                .starts_with("`interval` belongs at the top level of lowtide.yaml")
        );
    }
}
