//! The report as one page: plots and tables, no scripts, nothing from elsewhere.

use crate::{
    chart::{ChartError, chart},
    markup::{name, table, text, visible},
    parts::{CgroupPart, Part},
    period::Period,
    text::{COUNTED, against, cost, duration, gib_hours, passed_over, worth},
    time,
};

const STYLE: &str = "body{font:15px/1.5 sans-serif;max-width:62rem;margin:2rem auto;padding:0 1rem;color:#222}\
table{border-collapse:collapse;margin:1rem 0}th,td{padding:.2rem .8rem;text-align:right;border-bottom:1px solid #ddd}\
th:first-child,td:first-child{text-align:left;overflow-wrap:anywhere}svg{max-width:100%;height:auto}";

/// The page. `host` is whose report it is.
pub fn html(period: &Period, host: &str) -> Result<String, ChartError> {
    let title = format!("Memory that lowtide saved on {}", name(host));
    let sections = [head(period, &title), plots(period)?, tables(period), notes(period)];
    Ok(format!(
        "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n<title>{title}</title>\n\
         <style>{STYLE}</style>\n</head>\n<body>\n{}</body>\n</html>\n",
        sections.concat()
    ))
}

fn head(period: &Period, title: &str) -> String {
    let (since, until) = (time::shown(period.since), time::shown(period.until));
    let span = format!("{since} to {until}; watched for {}", duration(period.watched));
    let sums = table(&["", "GiB·h"], &sums(period));
    let against = against(period).map(|against| paragraph(&against)).unwrap_or_default();
    let told = [paragraph(&span), sums, paragraph(&worth(period)), paragraph(&cost(period)), against];
    format!("<h1>{title}</h1>\n{}", told.concat())
}

fn paragraph(of: &str) -> String {
    format!("<p>{}</p>\n", text(of))
}

fn plots(period: &Period) -> Result<String, ChartError> {
    let series = &period.series;
    let plots = [
        ("Over time", &series.host),
        ("Net saved, by tier", &series.tiers),
        ("Net saved, by cgroup", &series.cgroups),
    ];
    let some = plots.into_iter().filter(|(_, curves)| !curves.is_empty());
    some.map(|(heading, curves)| Ok(format!("<h2>{heading}</h2>\n{}\n", chart(series, curves)?))).collect()
}

fn tables(period: &Period) -> String {
    let parts = |what: &str, parts: &[Part]| {
        let head = [what, "offloaded, GiB·h", "DRAM taken, GiB·h", "net, GiB·h", "by others, GiB·h"];
        table(&head, &parts.iter().map(part).collect::<Vec<_>>())
    };
    let cgroups = table(&CGROUPS, &period.cgroups.iter().map(cgroup).collect::<Vec<_>>());
    [parts("Tier", &period.tiers), parts("Policy", &period.policies), cgroups].concat()
}

fn notes(period: &Period) -> String {
    let lost = passed_over(period.passed_over).map(|lost| paragraph(&lost));
    paragraph(COUNTED) + &lost.unwrap_or_default()
}

fn sums(period: &Period) -> Vec<Vec<String>> {
    let sums = &period.gib_hours;
    [
        ("offloaded", sums.offloaded),
        ("- taken for it", sums.resident),
        ("- lowtide itself", sums.own),
        ("net saved", sums.net),
        ("not counted: in swap through others", sums.by_others),
    ]
    .map(|(name, value)| vec![name.to_owned(), gib_hours(value)])
    .to_vec()
}

fn part(Part { name, offloaded, resident, net, by_others }: &Part) -> Vec<String> {
    [visible(name)]
        .into_iter()
        .chain([offloaded, resident, net, by_others].map(|sum| gib_hours(*sum)))
        .collect()
}

const CGROUPS: [&str; 9] = [
    "Cgroup",
    "policy",
    "DRAM, mean",
    "offloaded, GiB·h",
    "net, GiB·h",
    "by others, GiB·h",
    "faulted back",
    "memory stall",
    "written",
];

fn cgroup(part: &CgroupPart) -> Vec<String> {
    vec![
        visible(&part.path),
        part.policy.clone(),
        part.dram.to_string(),
        gib_hours(part.offloaded),
        gib_hours(part.net),
        gib_hours(part.by_others),
        part.refaulted.to_string(),
        part.memory_stall.map_or_else(|| "-".to_owned(), seconds),
        part.written.to_string(),
    ]
}

fn seconds(time: std::time::Duration) -> String {
    format!("{:.1} s", time.as_secs_f64())
}
