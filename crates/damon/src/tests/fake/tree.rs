//! Which directories and files there are.

use lowtide_kernfs::Errno;

use super::{State, Version, join};

impl State {
    pub(super) fn directory(&mut self, path: &str, files: &[(&str, &str)]) {
        self.inodes.insert(path.to_owned(), self.next);
        self.next += 1;
        for (name, value) in files {
            self.files.insert(join(path, name), (*value).to_owned());
        }
    }

    /// Loses what was there, and makes so many anew.
    pub(super) fn make(&mut self, at: &str, number: &str, value: &str) -> Result<(), Errno> {
        let count: u32 = value.parse().map_err(|_| Errno::EINVAL)?;
        let indices: Vec<String> = self
            .inodes
            .keys()
            .filter(|path| {
                let below =
                    if at.is_empty() { Some(path.as_str()) } else { path.strip_prefix(&format!("{at}/")) };
                below.and_then(|name| name.split('/').next()).is_some_and(|name| name.parse::<u32>().is_ok())
            })
            .cloned()
            .collect();
        for path in indices {
            self.inodes.remove(&path);
            self.files.retain(|file, _| !file.starts_with(&format!("{path}/")));
            self.threads.remove(&path);
        }
        (0..count).try_for_each(|index| {
            self.kind(number, &join(at, &index.to_string()));
            Ok(())
        })
    }

    pub(super) fn kind(&mut self, number: &str, at: &str) {
        let new = self.version == Version::New;
        let sub = |name: &str| join(at, name);
        match number {
            "nr_kdamonds" => {
                self.directory(at, &[("state", "off"), ("pid", "-1")]);
                if new {
                    self.files.insert(sub("refresh_ms"), "0".into());
                }
                self.directory(&sub("contexts"), &[("nr_contexts", "0")]);
            }
            "nr_contexts" => self.context(at, new),
            "nr_targets" => {
                let files: &[_] = if new {
                    &[("pid_target", "0"), ("obsolete_target", "N")]
                } else {
                    &[("pid_target", "0")]
                };
                self.directory(at, files);
                self.directory(&sub("regions"), &[("nr_regions", "0")]);
            }
            "nr_regions" => self.directory(at, &[("start", "0"), ("end", "0")]),
            "nr_schemes" => self.scheme(at, new),
            "nr_goals" => {
                self.directory(
                    at,
                    &[("target_metric", "user_input"), ("target_value", "0"), ("current_value", "0")],
                );
                if new {
                    self.directory(at, &[("nid", "0"), ("path", "")]);
                }
            }
            "nr_dests" => self.directory(at, &[("id", "0"), ("weight", "0")]),
            "nr_filters" if at.contains("probes") => {
                self.directory(at, &[("type", "anon"), ("matching", "N"), ("allow", "N"), ("path", "")]);
            }
            "nr_filters" => {
                self.directory(
                    at,
                    &[
                        ("type", "anon"),
                        ("matching", "N"),
                        ("memcg_path", ""),
                        ("addr_start", "0"),
                        ("addr_end", "0"),
                        ("damon_target_idx", "0"),
                    ],
                );
                if new {
                    self.directory(at, &[("allow", "N"), ("min", "0"), ("max", "0")]);
                }
            }
            "nr_probes" => {
                self.directory(at, &[("weight", "0")]);
                self.directory(&sub("filters"), &[("nr_filters", "0")]);
            }
            other => unreachable!("{other}"),
        }
    }

    pub(super) fn context(&mut self, at: &str, new: bool) {
        let sub = |name: &str| join(at, name);
        self.directory(at, &[("avail_operations", "vaddr\nfvaddr\npaddr"), ("operations", "vaddr")]);
        self.directory(&sub("monitoring_attrs"), &[]);
        let intervals = sub("monitoring_attrs/intervals");
        self.directory(
            &intervals,
            &[("sample_us", "5000"), ("aggr_us", "100000"), ("update_us", "60000000")],
        );
        self.directory(&sub("monitoring_attrs/nr_regions"), &[("min", "10"), ("max", "1000")]);
        self.directory(&sub("targets"), &[("nr_targets", "0")]);
        self.directory(&sub("schemes"), &[("nr_schemes", "0")]);
        if new {
            self.directory(at, &[("addr_unit", "1"), ("pause", "N")]);
            self.directory(&sub("monitoring_attrs/probes"), &[("nr_probes", "0")]);
            let goal = [("access_bp", "0"), ("aggrs", "0"), ("min_sample_us", "0"), ("max_sample_us", "0")];
            self.directory(&join(&intervals, "intervals_goal"), &goal);
        }
    }

    pub(super) fn scheme(&mut self, at: &str, new: bool) {
        let sub = |name: &str| join(at, name);
        self.directory(at, &[("action", "stat"), ("apply_interval_us", "0"), ("target_nid", "-1")]);
        for pattern in ["", "/sz", "/nr_accesses", "/age"] {
            let files: &[_] = if pattern.is_empty() { &[] } else { &[("min", "0"), ("max", "0")] };
            self.directory(&sub(&format!("access_pattern{pattern}")), files);
        }
        self.directory(
            &sub("quotas"),
            &[("ms", "0"), ("bytes", "0"), ("reset_interval_ms", "0"), ("effective_bytes", "0")],
        );
        self.directory(
            &sub("quotas/weights"),
            &[("sz_permil", "0"), ("nr_accesses_permil", "0"), ("age_permil", "0")],
        );
        self.directory(&sub("quotas/goals"), &[("nr_goals", "0")]);
        self.directory(
            &sub("watermarks"),
            &[("metric", "none"), ("interval_us", "0"), ("high", "0"), ("mid", "0"), ("low", "0")],
        );
        self.directory(&sub("filters"), &[("nr_filters", "0")]);
        let stats = [
            ("nr_tried", "0"),
            ("sz_tried", "0"),
            ("nr_applied", "0"),
            ("sz_applied", "0"),
            ("qt_exceeds", "0"),
        ];
        self.directory(&sub("stats"), &stats);
        self.directory(&sub("tried_regions"), &[("total_bytes", "0")]);
        if new {
            self.directory(&sub("dests"), &[("nr_dests", "0")]);
            self.directory(&sub("core_filters"), &[("nr_filters", "0")]);
            self.directory(&sub("ops_filters"), &[("nr_filters", "0")]);
            self.directory(
                &sub("quotas"),
                &[("goal_tuner", "consist"), ("fail_charge_num", "0"), ("fail_charge_denom", "0")],
            );
            self.directory(
                &sub("stats"),
                &[("sz_ops_filter_passed", "0"), ("nr_snapshots", "0"), ("max_nr_snapshots", "0")],
            );
        }
    }
}
