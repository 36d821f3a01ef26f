use proptest::prelude::*;

use super::*;
use crate::{
    Capabilities, Part,
    plan::{Kind, Plan},
    tests::fake::{Kernel, Version},
};

fn capabilities(version: Version) -> Capabilities {
    claim(&Kernel::new(version).admin()).capabilities().clone()
}

#[test]
fn a_plain_context_needs_nothing_that_a_kernel_may_lack() {
    for version in [Version::Old, Version::New] {
        assert_eq!(capabilities(version).missing(&plain()), [], "{version:?}");
    }
}

#[test]
fn what_is_missing_is_named_once_and_by_its_outermost_directory() {
    let missing = capabilities(Version::Old).missing(&everything());
    let names: Vec<_> = missing.iter().map(ToString::to_string).collect();
    let contexts = [
        "refresh_ms",
        "contexts/N/pause",
        "contexts/N/monitoring_attrs/intervals/intervals_goal/access_bp",
        "contexts/N/monitoring_attrs/probes/nr_probes",
        "contexts/N/targets/N/obsolete_target",
        "contexts/N/schemes/N/dests/nr_dests",
        "contexts/N/schemes/N/quotas/fail_charge_num",
        "`node_mem_free_bp` in contexts/N/schemes/N/quotas/goals/N/target_metric",
        "contexts/N/schemes/N/quotas/goals/N/nid",
        "contexts/N/schemes/N/filters/N/allow",
        "`hugepage_size` in contexts/N/schemes/N/filters/N/type",
        "contexts/N/schemes/N/stats/max_nr_snapshots",
    ];
    for name in contexts {
        assert_eq!(names.iter().filter(|found| **found == name).count(), 1, "{name} in {names:#?}");
    }
    assert!(!names.iter().any(|name| name.contains("probes/N/")), "{names:#?}");
    assert_eq!(capabilities(Version::New).missing(&everything()), []);
}

#[test]
fn operations_that_were_not_built_are_missing() {
    let kernel = Kernel::new(Version::New);
    let owned = claim(&kernel.admin());
    let mut capabilities = owned.capabilities().clone();
    capabilities.keywords.get_mut("contexts/N/avail_operations").unwrap().remove("paddr");
    let part = Part { file: "contexts/N/operations".into(), keyword: Some("paddr".into()) };
    assert_eq!(capabilities.missing(&plain()), [part]);
}

#[test]
fn a_filter_that_stat_would_not_ask_is_missing() {
    let mut context = plain();
    context.schemes[0].filters = vec![Filter::only(FilterKind::Memcg("/a".into()))];
    let missing = capabilities(Version::Old).missing(&context);
    assert_eq!(missing[0].file, "contexts/N/schemes/N/stats/sz_ops_filter_passed");
    context.schemes[0].action = Action::PageOut;
    assert_eq!(capabilities(Version::Old).missing(&context), []);
    context.schemes[0].action = Action::Stat;
    context.schemes[0].filters =
        vec![Filter::except(FilterKind::Address(AddressRange::new(0, 4096).unwrap()))];
    assert_eq!(capabilities(Version::Old).missing(&context), []);
}

#[test]
fn filters_stand_in_the_directory_of_their_layer_in_their_order() {
    let kinds = |layered: bool, directory: &str| -> Vec<String> {
        let plan = Plan::new(&everything(), layered);
        let at = format!("contexts/0/schemes/0/{directory}/");
        let types =
            plan.steps.iter().filter(|step| step.path.starts_with(&at) && step.path.ends_with("/type"));
        types.map(|step| step.value.clone()).collect()
    };
    assert_eq!(kinds(true, "core_filters"), ["addr", "target"]);
    assert_eq!(kinds(true, "ops_filters"), ["memcg", "anon", "young", "hugepage_size"]);
    assert!(kinds(true, "filters").is_empty());
    assert_eq!(kinds(false, "filters"), ["memcg", "anon", "young", "hugepage_size", "addr", "target"]);
}

fn value(context: &Context, path: &str) -> String {
    let plan = Plan::new(context, true);
    let step = plan.steps.iter().find(|step| step.path == path);
    step.unwrap_or_else(|| panic!("{path} is not written")).value.clone()
}

#[test]
fn units_are_those_of_the_files() {
    let context = everything();
    for (file, expected) in [
        ("refresh_ms", "1000"),
        ("contexts/0/monitoring_attrs/intervals/sample_us", "5000"),
        ("contexts/0/monitoring_attrs/intervals/intervals_goal/access_bp", "400"),
        ("contexts/0/schemes/0/apply_interval_us", "2000000"),
        ("contexts/0/schemes/0/watermarks/high", "500"),
        ("contexts/0/schemes/0/watermarks/metric", "free_mem_rate"),
        ("contexts/0/schemes/0/quotas/goals/1/target_value", "1000"),
        ("contexts/0/schemes/0/quotas/goals/2/target_value", "9000"),
        ("contexts/0/schemes/0/ops_filters/0/memcg_path", "/a"),
        ("contexts/0/schemes/0/target_nid", "-1"),
        ("contexts/0/schemes/1/target_nid", "1"),
        ("contexts/0/schemes/1/access_pattern/sz/max", "18446744073709551615"),
        ("contexts/0/schemes/1/access_pattern/age/max", "4294967295"),
        ("contexts/0/targets/1/pid_target", "1"),
        ("contexts/0/targets/1/obsolete_target", "Y"),
    ] {
        assert_eq!(value(&context, file), expected, "{file}");
    }
}

#[test]
fn an_address_unit_divides_addresses_and_sizes() {
    let mut context = Context { address_unit: std::num::NonZeroU64::new(4096), ..plain() };
    context.schemes[0].quota.bytes = Bytes::mib(1);
    context.schemes[0].filters =
        vec![Filter::except(FilterKind::Address(AddressRange::new(4096, 10000).unwrap()))];
    for (file, expected) in [
        ("addr_unit", "4096"),
        ("targets/0/regions/0/start", "256"),
        ("targets/0/regions/0/end", "524288"),
        ("schemes/0/quotas/bytes", "256"),
        ("schemes/0/access_pattern/sz/max", "4503599627370495"),
        ("schemes/0/core_filters/0/addr_start", "1"),
        ("schemes/0/core_filters/0/addr_end", "3"),
    ] {
        assert_eq!(value(&context, &format!("contexts/0/{file}")), expected, "{file}");
    }
}

fn schemes() -> impl Strategy<Value = Vec<Scheme>> {
    let filter = prop::sample::select(everything().schemes[0].filters.clone());
    let goal = prop::sample::select(everything().schemes[0].quota.goals.clone());
    let parts = (prop::collection::vec(filter, 0..4), prop::collection::vec(goal, 0..3));
    let scheme = parts.prop_map(|(filters, goals)| {
        let mut scheme = scheme();
        (scheme.filters, scheme.quota.goals) = (filters, goals);
        scheme
    });
    prop::collection::vec(scheme, 0..4)
}

proptest! {
    #[test]
    fn a_directory_is_made_before_it_is_filled_and_only_once(schemes in schemes(), layered in any::<bool>()) {
        let plan = Plan::new(&Context { schemes, ..everything() }, layered);
        let mut made: Vec<(String, usize)> = Vec::new();
        let mut written = std::collections::BTreeSet::new();
        for step in &plan.steps {
            prop_assert!(written.insert(step.path.clone()), "{} is written twice", step.path);
            let numbered = step.path.match_indices('/').filter_map(|(end, _)| {
                let (parent, name) = step.path[..end].rsplit_once('/')?;
                Some((parent.to_owned(), name.parse::<usize>().ok()?)).filter(|(parent, _)| parent != "contexts")
            });
            for (parent, index) in numbered {
                let count = made.iter().find(|(directory, _)| *directory == parent).map(|(_, count)| *count);
                prop_assert!(count.is_some_and(|count| index < count), "{} in {count:?}", step.path);
            }
            if step.kind == Kind::Count {
                made.push((step.path.rsplit_once('/').unwrap().0.to_owned(), step.value.parse().unwrap()));
            }
        }
    }
}
