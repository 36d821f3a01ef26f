//! A server whose items are asked for with exponential popularity, as the lab's redis: few often, most about
//! never.
//!
//! What comes back of it is known: of items whose rates fall by a factor of a million, those idle for an age
//! come back at items / (14 · age) a second in all.

use std::time::Duration;

use lowtide_core::{Bytes, Policy, Ratio, Slo};

use crate::{
    pages::{Class, Lot, Order, Reclaim, scramble},
    server::{Server, policy_of_the_issue},
    tenant::Tenant,
};

const PAGES: u64 = 15_000;
/// Requests a second, each for one item of two that share a page.
const REQUESTS: f64 = 160.0;
/// Items are `exp(-14)` as popular at the end as at the beginning.
const STEEPNESS: f64 = 14.0;
/// Of a fault from zram.
const FAULT: Duration = Duration::from_micros(20);
const MINUTE: Duration = Duration::from_mins(1);

#[expect(clippy::cast_precision_loss, reason = "small numbers")]
fn redis(order: Order) -> Tenant {
    let items = 2 * PAGES;
    let rate = |item: u64| {
        let item = if order == Order::First { item } else { scramble(item) % items };
        let place = item as f64 / items as f64;
        REQUESTS * STEEPNESS / items as f64 * (-STEEPNESS * place).exp()
    };
    let page = |page: u64| {
        let every = Duration::from_secs_f64(1.0 / (rate(2 * page) + rate(2 * page + 1)));
        Lot::at_random(every, Bytes::pages(1), scramble(!page))
    };
    let mut lots: Vec<Lot> = (0..PAGES).map(page).collect();
    lots.push(Lot::new(Class::Hot, Bytes::mib(8)));
    let mut tenant = Tenant::new(1, lots);
    tenant.walks = Some(Duration::from_secs(10));
    tenant.reclaim = Reclaim { generation: Duration::from_secs(30), error: Ratio::ZERO, order };
    tenant.fault = FAULT;
    // 40 µs a request.
    tenant.busy = Ratio::percent(0.6);
    tenant
}

const FILES: u64 = 2000;
const FILE: Bytes = Bytes::pages(8);

/// nginx, whose files were read in the order of their popularity before anybody was asked for one: the kernel
/// evicts the hot ones first.
#[expect(clippy::cast_precision_loss, reason = "small numbers")]
fn nginx_read_in_order() -> Tenant {
    let every = |file: u64| {
        let rate = REQUESTS * STEEPNESS / FILES as f64 * (-STEEPNESS * file as f64 / FILES as f64).exp();
        Duration::from_secs_f64(1.0 / rate)
    };
    let lot = |file: u64| Lot {
        file: true,
        entered: Some(Duration::from_millis(file)),
        ..Lot::at_random(every(file), FILE, scramble(file))
    };
    let mut tenant = Tenant::new(1, (0..FILES).map(lot).collect());
    tenant.reclaim = Reclaim { generation: Duration::from_millis(1), error: Ratio::ZERO, order: Order::Even };
    tenant.fault = FAULT;
    tenant.busy = Ratio::percent(2.0);
    tenant
}

/// Defaults but for how soon and how fast, as in the lab's `real_work`.
fn policy() -> Policy {
    let mut policy = policy_of_the_issue();
    policy.slo = Slo::default();
    policy.cold_after = Duration::from_secs(30);
    policy.limits.per_minute = Ratio::percent(20.0);
    policy
}

fn server(policy: Policy, order: Order) -> Server {
    let mut server = Server::new(vec![redis(order)], vec![policy]);
    server.interval = Duration::from_secs(6);
    server
}

/// The share of requests that had a fault in each minute.
fn faults_by_minute(server: &mut Server, minutes: usize) -> Vec<Ratio> {
    let mut minute = || {
        let before = server.tenants[0].faulted;
        let f = server.run(MINUTE).last().unwrap().figures;
        println!(
            "  cut {:?} idle {:?} price {} slow {:?} acc {} anon {:?} left {}",
            f.cut,
            f.idle.map(|i| i.to_string()),
            f.price,
            f.slowdown.map(|s| s.to_string()),
            f.accuracy,
            f.anon,
            f.minute_left
        );
        let faults = (server.tenants[0].faulted - before).share_of(Bytes::pages(1)).get();
        let share = Ratio::new(faults / REQUESTS / MINUTE.as_secs_f64());
        println!("away {}, requests with a fault {share}", server.tenants[0].in_swap());
        share
    };
    (0..minutes).map(|_| minute()).collect()
}

fn mean(shares: &[Ratio]) -> Ratio {
    Ratio::new(
        shares.iter().map(|share| share.get()).sum::<f64>() / f64::from(u32::try_from(shares.len()).unwrap()),
    )
}

#[test]
fn a_long_tail_is_thinned_out_and_requests_hardly_feel_it() {
    let mut server = server(policy(), Order::Even);
    let first = faults_by_minute(&mut server, 4);
    assert!(server.tenants[0].in_swap() >= Bytes::mib(22), "{} after 4 min", server.tenants[0].in_swap());
    assert!(mean(&first) <= Ratio::percent(1.2), "{first:?}");
    let settled = faults_by_minute(&mut server, 26).split_off(11);
    assert!(server.tenants[0].in_swap() >= Bytes::mib(23), "{} after 30 min", server.tenants[0].in_swap());
    assert!(mean(&settled) <= Ratio::percent(1.5), "{settled:?}");
}

/// The kernel takes the popular ones first of what looks equally old. They come back, and what is behind them
/// leaves only when it is old enough to tell.
#[test]
fn keys_in_the_order_of_their_popularity_are_mostly_gone_after_half_an_hour() {
    let mut server = server(policy(), Order::First);
    let settled = faults_by_minute(&mut server, 30).split_off(15);
    assert!(server.tenants[0].in_swap() >= Bytes::mib(35), "{} after 30 min", server.tenants[0].in_swap());
    assert!(mean(&settled) <= Ratio::percent(1.6), "{settled:?}");
}

/// The operator has the say.
#[test]
fn who_allows_less_slowdown_has_fewer_faults() {
    let settled = |percent| {
        let mut policy = policy();
        policy.slo.slowdown = Ratio::percent(percent);
        mean(&faults_by_minute(&mut server(policy, Order::Even), 30)[10..])
    };
    let [little, much] = [0.25, 4.0].map(settled);
    assert!(little.get() < 0.7 * much.get(), "{little} {much}");
}

/// What is not known is taken to be touched 0.1 / age times a second; the truth of this server is 0.14 / age.
#[test]
fn what_a_lump_hides_is_not_taken_for_untouched() {
    let mut policy = policy();
    policy.limits.per_minute = Ratio::percent(0.001);
    let mut server = server(policy, Order::Even);
    for _ in 0..40 {
        server.run(Duration::from_secs(6));
        let Some((from, touched)) = server.swapped_from(0) else { continue };
        assert!(touched.get() * from.as_secs_f64() > 0.03, "{touched} a second after {from:?}");
    }
}

/// Over half an hour: what is gone, and the share of requests that read their file again.
fn half_an_hour_of_files(tenant: Tenant) -> (Bytes, Ratio) {
    let mut server = Server::new(vec![tenant], vec![policy()]);
    server.interval = Duration::from_secs(6);
    for minute in 1..=30 {
        let d = server.run(MINUTE);
        let f = d.last().unwrap().figures;
        let gone = server.tenants[0].lots.iter().map(|lot| lot.offloaded).sum::<Bytes>();
        if minute <= 6 || minute % 10 == 0 {
            println!(
                "    {minute}: gone {gone} price {} slow {:?} file {:?} total reads {}",
                f.price,
                f.slowdown.map(|s| s.to_string()),
                f.file,
                server.tenants[0].faulted.share_of(FILE).get()
            );
        }
    }
    let gone = server.tenants[0].lots.iter().map(|lot| lot.offloaded).sum::<Bytes>();
    let reads = server.tenants[0].faulted.share_of(FILE).get() / REQUESTS / (30.0 * 60.0);
    println!("{gone} of page cache gone, {} of requests read their file again", Ratio::new(reads));
    (gone, Ratio::new(reads))
}

/// What is hot goes first and comes back, once. Who gives up at that gets to nothing.
#[test]
fn page_cache_that_was_read_first_does_not_hide_what_is_cold_behind_it() {
    let (gone, reads) = half_an_hour_of_files(nginx_read_in_order());
    assert!(gone >= Bytes::mib(15), "{gone}");
    assert!(reads <= Ratio::percent(1.0), "{reads}");
}

/// Every file is read every 20 s on average: nothing is to be found out, and that costs next to nothing,
/// whether or not a read has a known cost.
#[test]
fn page_cache_that_is_all_hot_is_only_probed() {
    for tells_reads in [true, false] {
        let lot = |file: u64| Lot {
            file: true,
            entered: Some(Duration::from_millis(file)),
            ..Lot::at_random(Duration::from_secs(20), FILE, scramble(file))
        };
        let mut tenant = nginx_read_in_order();
        tenant.tells_reads = tells_reads;
        tenant.lots = (0..FILES).map(lot).collect();
        let (_, reads) = half_an_hour_of_files(tenant);
        assert!(reads <= Ratio::percent(0.6), "{reads}, reads told: {tells_reads}");
    }
}
