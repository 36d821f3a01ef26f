//! What follows from two samples, on captured trees.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod support;

use std::time::Duration;

use lowtide_core::{Bytes, Ratio};
use lowtide_top::{
    model::{Fill, Informant, Model, Past},
    sample::Daemon,
};
use rstest::rstest;
use serde_json::{Value, json};
use support::{APART, Tree, answering, answers, model, models, sample, silent};

fn event(model: &Model, name: &str) -> Option<f64> {
    model.host.events.iter().find(|event| event.name == name).unwrap().counted.per_second
}

#[rstest]
#[case("6.1")]
#[case("6.12")]
#[case("6.18")]
#[case("7.3")]
fn memory_that_runs_short(#[case] kernel: &str) {
    let model = model(kernel, [silent(), silent()]);
    let seconds = APART.as_secs_f64();
    assert_eq!(model.over, Some(APART));
    assert_eq!(event(&model, "allocstall"), Some(7.0 / seconds));
    assert_eq!(event(&model, "pgalloc"), Some(96_000.0 * 4096.0 / seconds));
    assert_eq!(event(&model, "kswapd_low_wmark_hit_quickly"), Some(5.0 / seconds));
    assert_eq!(event(&model, "oom_kill"), Some(0.0));

    let by = |by: &str| model.host.reclaim.iter().find(|line| line.by == by).unwrap();
    assert_eq!(by("kswapd").scanned.per_second, Some(41_000.0 * 4096.0 / seconds));
    assert_eq!(by("kswapd").efficiency, Some(Ratio::new(33.0 / 41.0)));
    assert_eq!(by("direct").efficiency, Some(Ratio::percent(75.0)));

    let [dma, dma32] = &*model.host.zones else { panic!("{:?}", model.host.zones) };
    assert_eq!((dma.fill, dma.change), (Some(Fill::AboveHigh), Some(0.0)));
    assert_eq!((dma32.fill, dma32.free), (Some(Fill::BelowMin), Some(Bytes::pages(600))));
    assert!(dma32.change.unwrap() < 0.0);
    assert_eq!(model.host.kswapds[0].cpu, Some(Ratio::new(0.64 / seconds)));
    let memory = &model.host.pressure[0];
    assert_eq!((memory.some, memory.full), (Some(Ratio::new(0.13)), Some(Ratio::new(0.045))));
    let free = model.host.memory.iter().find(|line| line.name == "MemFree").unwrap();
    assert_eq!(free.change, Some(-322_900.0 * 1024.0 / seconds));
}

#[test]
fn tiers_with_what_moved() {
    let model = model("7.3", [silent(), silent()]);
    let found: Vec<_> = model
        .tiers
        .iter()
        .map(|tier| (&*tier.device, tier.written_per_second, tier.read_per_second))
        .collect();
    let page = 4096.0 / APART.as_secs_f64();
    let sector = 512.0 / APART.as_secs_f64();
    let expected = [
        ("zswap", Some(2_100.0 * page), Some(700.0 * page)),
        ("/dev/zram0", Some(12_000.0 * sector), Some(5_600.0 * sector)),
        ("/dev/vda", Some(60_000.0 * sector), Some(0.0)),
    ];
    assert_eq!(found, expected);
    assert!(model.tiers.iter().all(|tier| tier.cost.is_none()), "only the daemon knows");
}

#[test]
fn one_look_has_no_rates() {
    let tree = Tree::new("7.3");
    let model = Past::default().take(sample(tree.kernel().look().unwrap(), Duration::ZERO, silent()));
    assert_eq!(model.over, None);
    assert!(model.host.events.iter().all(|event| event.counted.per_second.is_none()));
    assert!(model.host.memory.iter().all(|line| line.change.is_none()));
    assert!(model.host.kswapds[0].cpu.is_none() && model.host.pressure[0].some.is_none());
    assert!(model.tiers.iter().all(|tier| tier.written_per_second.is_none()));
}

#[test]
fn what_goes_backwards_has_no_rate() {
    let tree = Tree::new("7.3");
    let (mut kernel, mut past) = (tree.kernel(), Past::default());
    past.take(sample(kernel.look().unwrap(), Duration::ZERO, silent()));
    tree.add("proc/vmstat", "pgfree", -5);
    tree.disk("vda", 0, 0);
    tree.kswapd(1);
    let model = past.take(sample(kernel.look().unwrap(), APART, silent()));
    assert_eq!((event(&model, "pgfree"), event(&model, "pgalloc")), (None, Some(0.0)));
    assert_eq!(model.tiers[2].written_per_second, None);
    assert_eq!(model.host.kswapds[0].cpu, None);
}

#[test]
fn two_samples_of_one_moment_have_no_rates() {
    let tree = Tree::new("7.3");
    let mut past = Past::default();
    for _ in 0..2 {
        let model = past.take(sample(tree.kernel().look().unwrap(), APART, silent()));
        assert_eq!((model.over, event(&model, "pgfree")), (None, None));
    }
}

fn turns(turns: &[u64]) -> Vec<Daemon> {
    turns.iter().map(|turn| answering(&answers::text(*turn))).collect()
}

fn refaults(model: &Model) -> Option<f64> {
    model.tenants[0].refaulted_per_second
}

#[test]
fn a_tenants_rates_are_made_from_turns_and_not_from_looks() {
    let looks = models(&turns(&[110, 110, 110, 111, 111, 113]));
    let found: Vec<_> = looks.iter().map(refaults).collect();
    let rate = Some(900.0 * 4096.0 / 6.0);
    assert_eq!(found, [None, None, None, rate, rate, rate]);
    assert_eq!(
        looks.iter().map(|model| model.tenants[0].moments.len()).collect::<Vec<_>>(),
        [1, 1, 1, 2, 2, 3]
    );
}

#[test]
fn another_daemon_has_another_past() {
    let looks = models(&turns(&[110, 111, 3, 4]));
    assert_eq!(
        looks.iter().map(|model| refaults(model).is_some()).collect::<Vec<_>>(),
        [false, true, false, true]
    );
    assert_eq!(looks[2].tenants[0].moments.len(), 1);
}

#[test]
fn a_daemon_that_ends_takes_its_tenants_with_it() {
    let mut answered = turns(&[110, 111]);
    answered.push(silent());
    answered.extend(turns(&[112]));
    let looks = models(&answered);
    assert!(looks[2].tenants.is_empty() && matches!(looks[2].daemon, Informant::Silent { .. }));
    assert_eq!(refaults(&looks[3]), None, "nobody knows what happened meanwhile");
}

#[test]
fn a_tenants_figures() {
    let model = models(&turns(&[110])).remove(0);
    let batch = &model.tenants[1];
    assert_eq!(batch.dram, Bytes::mib(52));
    assert_eq!(batch.working_set.unwrap().error, Some(Bytes::mib(2)));
    assert_eq!(batch.cold, Some(Bytes::mib(52 - 18)));
    assert_eq!(batch.by_tier.values().copied().sum::<Bytes>(), batch.offloaded);
    assert_eq!((batch.decision.action, batch.decision.amount), ("reclaim", Some(Bytes::mib(2))));
    assert_eq!(batch.account.decisions[0].ago, Duration::from_secs(654), "the newest first");
    assert_eq!(model.tenants[4].working_set.map(|set| set.size), None);
    let zram = model.tiers.iter().find(|tier| tier.device == "/dev/zram0").unwrap();
    assert_eq!(zram.cost.as_ref().unwrap().fault, Duration::from_micros(34));
}

/// Who joins and who leaves between two turns.
#[test]
fn tenants_come_and_go() {
    let text = |turn: u64, keep: &[usize]| {
        let tenants = answers::tenants(turn);
        let kept: Vec<_> = keep.iter().map(|index| tenants[*index].clone()).collect();
        answering(&answers::status(turn, &kept).to_string())
    };
    let looks = models(&[text(110, &[0, 1]), text(111, &[1, 2]), text(112, &[0, 1])]);
    let moments = |model: &Model| model.tenants.iter().map(|tenant| tenant.moments.len()).collect::<Vec<_>>();
    assert_eq!(looks.iter().map(moments).collect::<Vec<_>>(), [[1, 1], [2, 1], [1, 3]]);
    assert_eq!(looks[2].tenants[0].refaulted_per_second, None, "it was not there a turn before");
}

#[test]
fn problems_are_those_of_both() {
    let mut status = answers::status(110, &[]);
    status["problems"] = json!(["a reload was refused"]);
    status["sampling"]["problem"] = json!("no idle ages this time");
    let tree = Tree::new("7.3");
    tree.put("proc/zoneinfo", "Node x\n");
    let model =
        Past::default().take(sample(tree.kernel().look().unwrap(), APART, answering(&status.to_string())));
    assert_eq!(model.problems.len(), 3, "{:?}", model.problems);
    assert!(model.host.zones.is_empty());
}

#[test]
fn as_json_nothing_is_missing_that_is_shown() {
    let model = models(&turns(&[110])).remove(0);
    let value: Value = serde_json::to_value(&model).unwrap();
    assert_eq!(value["daemon"]["state"], "answers");
    assert_eq!(value["tenants"][0]["by_tier"]["zram"], 12 << 20);
    assert_eq!(value["host"]["zones"][1]["fill"], "above_high");
    assert!(value["tenants"][0].get("moments").is_none());
}
