//! What the daemon answers: the fields of `lowtide status --json` that are read, for a host with five
//! tenants.

use std::time::Duration;

use serde_json::{Value, json};

const MIB: u64 = 1 << 20;

/// A tenant at one turn; sizes in MiB.
#[derive(Clone)]
pub(crate) struct Tenant {
    pub(crate) id: u64,
    pub(crate) path: String,
    pub(crate) dram: u64,
    pub(crate) working_set: Option<(u64, Option<u64>)>,
    pub(crate) zswap: u64,
    pub(crate) zram: u64,
    pub(crate) disk: u64,
    pub(crate) pressure: f64,
    /// A counter, in pages.
    pub(crate) refaults: u64,
    pub(crate) reason: String,
    pub(crate) action: Value,
}

impl Tenant {
    pub(crate) fn new(id: u64, path: &str, dram: u64) -> Self {
        Self {
            id,
            path: path.to_owned(),
            dram,
            working_set: None,
            zswap: 0,
            zram: 0,
            disk: 0,
            pressure: 0.0,
            refaults: 0,
            reason: "warming_up".to_owned(),
            action: json!({ "kind": "hold" }),
        }
    }

    fn offloaded(&self) -> u64 {
        self.zswap + self.zram + self.disk
    }

    fn decision(&self) -> Value {
        json!({
            "id": self.id, "path": self.path, "policy": "web", "action": self.action, "reason": self.reason, "file_only": null,
            "figures": {
                "current": self.dram * MIB, "offloaded": self.offloaded() * MIB, "promotion_rate": self.pressure / 2.0, "price": 0.25,
            },
        })
    }

    fn hotness(&self) -> Value {
        let Some((size, error)) = self.working_set else { return Value::Null };
        let classes = [
            (size / 2, size - size / 2),
            ((self.dram - size) / 4, self.dram - size - (self.dram - size) / 4),
        ];
        let classes = classes.map(|(file, anon)| json!({ "anon": anon * MIB, "file": file * MIB }));
        json!({ "working_set": size * MIB, "working_set_error": error.map(|error| error * MIB), "histogram": { "classes": classes } })
    }

    fn json(&self, uptime: f64) -> Value {
        let placed = [("zswap", self.zswap), ("zram", self.zram), ("disk", self.disk)];
        let placed = placed
            .map(|(kind, size)| json!({ "kind": kind, "device": kind, "bytes": size * MIB, "resident": 0 }));
        let sets: Vec<_> = (0..20)
            .map(|minute| json!({ "at": minute * 60, "size": (self.dram * 7 / 10 + minute % 7) * MIB }))
            .collect();
        let earlier =
            Self { reason: "first_sample".to_owned(), action: json!({ "kind": "hold" }), ..self.clone() };
        json!({
            "id": self.id, "path": self.path,
            "memory": { "stat": { "refault_anon": self.refaults * 4096, "refault_file": 0, "zswap_writeback": 0 } },
            "stalls": { "memory_some": self.pressure, "io_some": self.pressure / 4.0 },
            "hotness": self.hotness(), "placed": placed, "net_saved": self.offloaded() * MIB / 2, "decision": self.decision(),
            "account": {
                "effective": self.offloaded() * MIB, "reclaim_cpu": 0.25, "working_sets": sets,
                "recent": [
                    { "since": (uptime - 660.0).max(0.0), "ticks": 1, "asked": 0, "decision": earlier.decision() },
                    { "since": (uptime - 654.0).max(0.0), "ticks": 109, "asked": 96 * MIB, "decision": self.decision() },
                ],
            },
        })
    }
}

/// Five tenants; each turn the first of them reads a little back.
pub(crate) fn tenants(turn: u64) -> Vec<Tenant> {
    let reclaim = |size: u64| json!({ "kind": "reclaim", "amount": size * MIB, "scope": "anon" });
    vec![
        Tenant {
            working_set: Some((61, Some(4))),
            zswap: 2,
            zram: 12,
            pressure: 0.021,
            refaults: 1500 + 900 * turn,
            reason: "memory_pressure".to_owned(),
            ..Tenant::new(10_051_729, "/system.slice/nginx.service", 68 + turn % 12)
        },
        Tenant {
            working_set: Some((18, Some(2))),
            zswap: 9,
            zram: 21,
            disk: 6,
            refaults: 310,
            reason: "headroom".to_owned(),
            action: reclaim(2),
            ..Tenant::new(
                10_051_674,
                "/kubepods.slice/kubepods-burstable.slice/kubepods-burstable-pod7d0c.slice/batch.scope",
                52,
            )
        },
        Tenant {
            working_set: Some((31, None)),
            reason: "nothing_cold".to_owned(),
            ..Tenant::new(10_051_802, "/system.slice/redis.service", 33)
        },
        Tenant {
            working_set: Some((3, Some(1))),
            zram: 5,
            reason: "floor".to_owned(),
            ..Tenant::new(10_051_911, "/system.slice/cron.service", 6)
        },
        Tenant::new(10_052_040, "/user.slice/user-1000.slice", 21),
    ]
}

/// The answer after so many turns of six seconds.
pub(crate) fn status(turn: u64, tenants: &[Tenant]) -> Value {
    let uptime = Duration::from_secs(turn * 6).as_secs_f64();
    let costs = [(21e-6, "measured"), (34e-6, "measured"), (100e-6, "assumed")];
    let costs = costs.map(|(time, basis)| json!({ "fault": { "time": time, "basis": basis }, "age": 4.0, "per_gib_freed": 12.0 }));
    json!({
        "version": 1, "uptime": uptime, "ticks": turn, "net_saved": 27 * MIB, "own": 9 * MIB,
        "sampling": { "source": "mglru", "problem": null }, "problems": [],
        "host": { "tiers": [{ "device": "zswap" }, { "device": "/dev/zram0" }, { "device": "/dev/vda" }] }, "costs": costs,
        "balancer": [{ "store": { "device": "zram0", "below": { "device": "/dev/vdb" } }, "moved": 8 * MIB, "written": 8 * MIB, "budget": 20_480 * MIB }],
        "cgroups": tenants.iter().map(|tenant| tenant.json(uptime)).collect::<Vec<_>>(),
    })
}

/// The same as text, with the usual tenants.
pub(crate) fn text(turn: u64) -> String {
    status(turn, &tenants(turn)).to_string()
}
